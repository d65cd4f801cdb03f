"""Deep verification: rows are counted again, frame by frame, where they are, and compared.

A frame is compared with its record in `frames`: its rows in the hot table, and in the files of the
archive. Where both hold all of it, a sum of hashes over all columns of its rows tells whether they
say the same; so nothing has to be hashed when rows come in. Rows that have left the hot tables on
purpose are told by the archive, which has them: those below the horizon, and those that the record
of deletions names.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence

from tailrace.core import limits
from tailrace.core.bounds import Terms
from tailrace.core.contracts import Position
from tailrace.core.frame import Signal
from tailrace.core.ledger import Compared, Differing, Gone
from tailrace.store import schema, sql
from tailrace.store.archive import Archive
from tailrace.store.engine import Engine
from tailrace.store.horizon import Cut, Horizon
from tailrace.store.ledger import between

DEEP_S = 600.0
_COLUMNS: Mapping[Signal, Sequence[str]] = {
    Signal.LOGS: schema.LOGS_COLUMNS,
    Signal.SPANS: schema.SPANS_COLUMNS,
    Signal.METRICS: schema.SAMPLES_COLUMNS,
}
_START = Position(0, 0)
# Of each frame: rows recorded hot and bulk, whether it is of both lanes and whether it is too
# young; rows found hot and archived, and of those the ones that may have left the hot table;
# hashes.
_FIELDS = ("Hot", "Bulk", "Both", "Young", "FoundHot", "FoundArchived", "Left", "Hashed", "Told")


class Deep:
    """Over the open `archive` and `horizon`. Raises StoreError."""

    def __init__(self, engine: Engine, archive: Archive, horizon: Horizon) -> None:
        self._engine = engine
        self._archive = archive
        self._horizon = horizon

    async def compare(
        self, tenant: str, since_ns: int, upto: Position, gone: Sequence[Gone], source: str = ""
    ) -> Compared:
        """Frames that came since then and were stored and archived up to a place of the queue."""
        taken = f"IngestTime >= {sql.moment(since_ns)}"
        whose = f"Tenant = {sql.text(tenant)}"
        # "agent-1#1" is the agent's, too.
        mine = f" AND (Source = {sql.text(source)} OR startsWith(Source, {sql.text(source + '#')}))"
        where = whose + (mine if source else "")
        parts = [self._recorded(f"{where} AND ReceivedNs >= {since_ns}", upto)]
        parts += self._hot(f"{where} AND {taken}")
        files = await asyncio.to_thread(lambda: list(self._files(tenant, since_ns)))
        cuts = {signal: self._horizon.cut(signal, tenant) for signal in Signal}
        left = {signal: _left(signal, cut, gone) for signal, cut in cuts.items()}
        parts += self._archived(files, f"{where} AND {taken}", left)
        sums = ", ".join(f"sum({name}) AS {name}" for name in _FIELDS)
        frames = (
            f"SELECT Source, Epoch, Seq, {sums} FROM (\n{_named(parts)}) "
            "GROUP BY Source, Epoch, Seq HAVING Young = 0"
        )
        some_left = bool(gone or any(cut.last_ns for cut in cuts.values()))
        asked = _QUESTION.format(frames=frames, some_left=int(some_left), most=limits.DEEP_FRAMES)
        [(checked, rows, found)] = await self._engine.rows(asked, terms=Terms(DEEP_S))
        differing = sorted(map(_differing, found), key=lambda one: (one.source, one.epoch, one.seq))
        return Compared(int(checked), int(rows), differing)

    def _recorded(self, where: str, upto: Position) -> str:
        here = between(_START, upto)
        return (
            "SELECT Source, Epoch, Seq, maxIf(Rows, Stage = 'hot'), maxIf(Rows, Stage = 'bulk'), "
            "toUInt64(max(Stage = 'hot' AND Lane = 'both')), "
            f"toUInt64(max(NOT ({here}) OR Lane = '')), 0, 0, 0, 0, 0 FROM frames "
            f"WHERE {where} AND Stage IN ('hot', 'bulk') GROUP BY Source, Epoch, Seq"
        )

    def _hot(self, where: str) -> Iterator[str]:
        for signal, table in schema.HOT_TABLES.items():
            yield (
                f"SELECT Source, Epoch, Seq, 0, 0, 0, 0, count(), 0, 0, sum({_hash(signal)}), 0 "
                f"FROM {table} WHERE {where} GROUP BY Source, Epoch, Seq"
            )

    def _archived(
        self, files: Sequence[tuple[Signal, str]], where: str, left: Mapping[Signal, str]
    ) -> Iterator[str]:
        for signal in Signal:
            paths = [path for of, path in files if of is signal]
            for start in range(0, len(paths), limits.DEEP_FILES):
                some = ",".join(paths[start : start + limits.DEEP_FILES])
                path = f"{self._archive.directory}/{{{some}}}"
                columns = ", ".join(c.split(" CODEC", 1)[0] for c in _COLUMNS[signal])
                yield (
                    "SELECT Source, Epoch, Seq, 0, 0, 0, 0, 0, count(), "
                    f"countIf({left[signal]}), 0, sum({_hash(signal)}) "
                    f"FROM file({sql.text(path)}, Parquet, {sql.text(columns)}) "
                    f"WHERE {where} GROUP BY Source, Epoch, Seq"
                )

    def _files(self, tenant: str, since_ns: int) -> Iterator[tuple[Signal, str]]:
        """Those that may hold rows of the time: rows are archived after they came. Blocking."""
        for file in self._archive.listing.files():
            if file.tenant == tenant:
                written_ns = file.written_ns or self._written_ns(file.path)
                if written_ns >= since_ns:
                    yield file.signal, file.path

    def _written_ns(self, path: str) -> int:
        try:
            return (self._archive.directory / path).stat().st_mtime_ns
        except OSError:
            return 0  # its frames will be found to be gone


def _left(signal: Signal, cut: Cut, gone: Sequence[Gone]) -> str:
    """Condition for rows that may have left the hot table on purpose."""
    horizon = sql.moment(cut.rest_ns)
    if cut.services and signal is not Signal.METRICS:
        own = (f"ServiceName = {sql.text(s)}, {sql.moment(ns)}" for s, ns in cut.services.items())
        horizon = f"multiIf({', '.join(own)}, {horizon})"
    conditions = [f"Timestamp < {horizon}"]
    for one in gone:
        if one.signal in ("", signal.value):
            first, last = sql.moment(one.first_ns), sql.moment(one.last_ns)
            time = f"Timestamp >= {first} AND Timestamp <= {last}" if one.last_ns else "true"
            named = one.service and signal is not Signal.METRICS
            service = f" AND ServiceName = {sql.text(one.service)}" if named else ""
            conditions.append(f"({time}{service})")
    return " OR ".join(conditions)


def _named(parts: Sequence[str]) -> str:
    """Rows of all parts; the first names the columns of all."""
    names = ", ".join(f"0 AS {name}" for name in _FIELDS)
    none = f"SELECT '' AS Source, toUInt64(0) AS Epoch, toUInt64(0) AS Seq, {names} WHERE false"
    return "\nUNION ALL ".join([none, *parts])


def _hash(signal: Signal) -> str:
    names = ", ".join(column.split(" ", 1)[0] for column in _COLUMNS[signal])
    return f"cityHash64({names})"


# What should be archived of a frame: a copy that came the bulk lane, or else what is hot.
_SHOULD = "if(Bulk > 0, Bulk, if(Both > 0, Hot, 0))"
_ALTERED = "(Both > 0 AND FoundHot = Hot AND FoundArchived = Hot AND Hashed != Told)"
# Of a frame of the hot lane alone nobody else has the rows: they may all have left, if any have.
_MAY_HAVE_LEFT = f"if({_SHOULD} > 0, Left, if({{some_left}}, Hot, 0))"
_DIFFERS = (
    f"(FoundHot > Hot OR toInt64(Hot) - toInt64(FoundHot) > {_MAY_HAVE_LEFT} "
    f"OR FoundArchived != {_SHOULD} OR {_ALTERED})"
)
_QUESTION = f"""SELECT count(), sum(Hot + Bulk), groupArrayIf({{most}})((Source, Epoch, Seq,
FoundHot, Hot, FoundArchived, {_SHOULD}, {_ALTERED}), {_DIFFERS}) FROM ({{frames}})"""


def _differing(found: Sequence[object]) -> Differing:
    source, *numbers = found
    epoch, seq, hot, hot_recorded, archived, archived_recorded, altered = (
        int(str(number)) for number in numbers
    )
    return Differing(
        str(source), epoch, seq, hot, hot_recorded, archived, archived_recorded, bool(altered)
    )
