"""The tables of metrics: narrow samples, the labels of each series once, and exemplars.

The files are decoded once, into a table in memory. From there the series go first, the samples
last: after a crash in between a series may have no samples and an exemplar no sample, but no sample
is without its series and its exemplars. So samples tell whether a frame is there, whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tailrace.core.contracts import Changes
from tailrace.core.frame import Frame, Header
from tailrace.core.sample import labels_of
from tailrace.store import decode, schema, sql
from tailrace.store.engine import Engine
from tailrace.store.logs import Key, LogTable

_SAMPLE = (
    "time Int64, name LowCardinality(String), value Float64, kind LowCardinality(String), "
    "unit LowCardinality(String), attributes Map(LowCardinality(String), String), stale Bool, "
    f"exemplars {schema.ARRIVING_EXEMPLARS}"
)
# The bits of the NaN by which Prometheus says that a series has ended.
_STALE = "reinterpretAsFloat64(toUInt64(9218868437227405314))"
_SETTINGS = (
    "input_format_parallel_parsing=0, input_format_skip_unknown_fields=1, "
    # As for logs: a line that the engine refuses shows in the count of its frame.
    "input_format_allow_errors_num=1000000000, "
    # Small blocks: the labels of a block are held three times while they are sorted.
    "max_block_size=8192, min_insert_block_size_rows=8192, max_insert_threads=1"
)
_HOUR_MS = 3_600_000


class SampleTable(LogTable):
    """One table of samples (`samples` or `bulk_samples`), which makes a `LogTable`'s promises.

    Exemplars go to the table `exemplars`, or nowhere when that is "". Not shared between tasks:
    inserts pass through one table in memory.
    """

    def __init__(
        self,
        engine: Engine,
        table: str,
        stage: str,
        scratch: Path,
        exemplars: str = "",
        changes: Changes | None = None,
    ) -> None:
        super().__init__(engine, table, stage, scratch, changes)
        self._exemplars = exemplars

    async def stored(self, headers: Sequence[Header]) -> dict[Key, int]:
        """Samples of each frame; 0 for one that has only exemplars, which a crash left."""
        counts = await super().stored(headers)
        left = await self._counted(self._exemplars, headers) if self._exemplars else {}
        return dict.fromkeys(left, 0) | counts

    async def remove(self, headers: Sequence[Header]) -> None:
        """Take samples and exemplars out; the samples first, since they are what tells."""
        await super().remove(headers)
        if self._exemplars:
            await self._deleted(self._exemplars, headers)

    async def clear(self) -> None:
        """Empty both tables."""
        await super().clear()
        if self._exemplars:
            await self._engine.write(f"TRUNCATE TABLE {self._exemplars}")

    def _statements(self, directory: Path, frames: Sequence[Frame]) -> list[str]:
        arriving = f"arriving_{self._table}"
        headers = [frame.header for frame in frames]
        return [
            f"TRUNCATE TABLE {arriving}",
            statement(directory, headers, arriving),
            *parting(self._table, self._exemplars),
        ]


def labels(header: Header) -> dict[str, str]:
    """What of a frame's resource becomes labels of its series."""
    return labels_of(header.resource)


def statement(directory: Path, headers: Sequence[Header], table: str) -> str:
    """INSERT of the files of these frames into `table`, decoded and with their fingerprints."""
    files = sql.text(f"{directory}/{{1..{len(headers)}}}.zst")
    own = decode.lookup([sql.text_map(labels(header)) for header in headers])
    # A label without a value is no label, and labels have no order: either makes one series two.
    whole = f"mapSort(mapUpdate({own}, mapFilter((k, v) -> v != '', attributes)))"
    identity = decode.identity(headers)
    columns = {
        **{name: identity[name] for name in ("Tenant", "IngestTime", "Source", "Epoch", "Seq")},
        "MetricName": "name",
        "Labels": f"{whole} AS labels",
        "Fingerprint": f"sipHash64({identity['Tenant']}, name, labels)",
        "Timestamp": "fromUnixTimestamp64Milli(intDiv(time, 1000000), 'UTC')",
        "Value": f"if(stale, {_STALE}, value)",
        "Kind": "if(kind = '', 'gauge', kind)",
        "Unit": "unit",
        "Exemplars": "exemplars",
    }
    return (
        f"INSERT INTO {table} ({', '.join(columns)})\nWITH {decode.FRAME_NUMBER}\n"
        f"SELECT {', '.join(columns.values())}\n"
        f"FROM file({files}, JSONEachRow, {sql.text(_SAMPLE)}, 'zstd')\n"
        f"WHERE time > 0 AND name != ''\nSETTINGS {_SETTINGS}"
    )


def parting(table: str, exemplars: str = "") -> list[str]:
    """What parts decoded samples into series, rows of `exemplars` unless "", and of `table`."""
    arriving = f"arriving_{table}"
    names = ", ".join(schema.SAMPLE_NAMES)
    return [
        _new_series(arriving),
        *([_new_exemplars(arriving, exemplars)] if exemplars else []),
        f"INSERT INTO {table} ({names}) SELECT {names} FROM {arriving} "
        "SETTINGS max_partitions_per_insert_block=0",
        f"TRUNCATE TABLE {arriving}",
    ]


def _new_exemplars(arriving: str, table: str) -> str:
    """INSERT of the exemplars; one without a time, or with one that is none, has its sample's."""
    known = f"one.time > 0 AND one.time <= {decode.LAST_NS}"
    columns = {
        **{name: name for name in schema.EXEMPLAR_NAMES},
        "Timestamp": (
            f"if({known}, fromUnixTimestamp64Nano(one.time, 'UTC'), "
            f"toDateTime64({arriving}.Timestamp, 9, 'UTC'))"
        ),
        "Value": "one.value",
        "TraceId": "one.trace_id",
        "SpanId": "one.span_id",
        "Attributes": "one.attributes",
    }
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(columns.values())} "
        f"FROM {arriving} ARRAY JOIN Exemplars AS one SETTINGS max_partitions_per_insert_block=0"
    )


def _new_series(arriving: str) -> str:
    """INSERT of the series that are not known for the hour of a sample."""
    hour = (
        f"fromUnixTimestamp64Milli(intDiv(toUnixTimestamp64Milli(Timestamp), {_HOUR_MS}) "
        f"* {_HOUR_MS}, 'UTC')"
    )
    return (
        "INSERT INTO series SELECT Tenant, MetricName, Fingerprint, anyLast(Kind), anyLast(Unit), "
        "any(Labels), min(hour), max(hour)\n"
        f"FROM (SELECT *, {hour} AS hour FROM {arriving})\n"
        "WHERE (Fingerprint, hour) NOT IN (SELECT Fingerprint, LastSeen FROM series "
        f"WHERE LastSeen >= (SELECT min(Timestamp) - toIntervalHour(1) FROM {arriving}) "
        f"AND Fingerprint IN (SELECT Fingerprint FROM {arriving}))\n"
        "GROUP BY Tenant, MetricName, Fingerprint"
    )
