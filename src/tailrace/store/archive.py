"""The archive: rows as Parquet, one file for each step, tenant and hour of event time.

    ARCHIVE/manifest                                  which files count (see manifest.py)
    ARCHIVE/tenant=T/day=YYYY-MM-DD/hour=HH/NAME.parquet             logs
    ARCHIVE/spans/tenant=T/day=YYYY-MM-DD/hour=HH/NAME.parquet       spans
    ARCHIVE/metrics/tenant=T/day=YYYY-MM-DD/hour=HH/NAME.parquet     samples, with their labels

Rows that the hot tables hold are read from them, already decoded and sorted, which costs a third of
decoding them again; rows of bulk-only frames pass through tables of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tailrace.core import log
from tailrace.core.clock import Clock, SystemClock
from tailrace.core.contracts import Changes, Position
from tailrace.core.disk import write_whole
from tailrace.core.errors import ConfigError, StoreError
from tailrace.core.frame import Header, Signal
from tailrace.store import parquet, schema, sql
from tailrace.store.damage import Damage
from tailrace.store.engine import Engine
from tailrace.store.entries import FOLDERS, HOUR_NS, ArchiveFile, Epochs, Step, Swap, Why
from tailrace.store.horizon import Horizon
from tailrace.store.leaving import Leaving
from tailrace.store.listing import Listing
from tailrace.store.logs import identified
from tailrace.store.manifest import Manifest

_log = log.get("archive")
# Lowest and highest number of the keys that a tenant had in use at any time since a moment (UTC
# nanoseconds), over all kinds; None where it cannot be had just now.
EpochsOf = Callable[[str, int], Awaitable[Epochs]]
_SETTINGS = (
    # Level 1, and dictionaries only while they are small: 40% less CPU than the defaults for files
    # that are 3% smaller. See docs/adr/0002-archive-from-hot.md.
    "output_format_parquet_compression_method='zstd', output_format_compression_level=1, "
    "output_format_parquet_max_dictionary_size=65536, "
    # A row group is held whole while it is encoded: this bounds memory, and loses 1% of size.
    "output_format_parquet_row_group_size=65536, output_format_parquet_parallel_encoding=0, "
    "output_format_parquet_write_bloom_filter=0, output_format_parquet_write_page_index=0, "
    "engine_file_truncate_on_insert=1, max_threads=1, max_block_size=16384, "
    # Of every column of every part: at the default of 1 MiB they took 100 MB together.
    "max_read_buffer_size=131072"
)

# The labels of a step's series may be more than fits into memory: both sides are sorted, on disk
# from here on, and read side by side.
_MERGED = "join_algorithm='full_sorting_merge', max_bytes_before_external_sort=67108864"


@dataclass(frozen=True)
class _Rows:
    """A table to export, what it holds, and its rows under a condition, complete."""

    table: str
    signal: Signal
    select: Callable[[str], str]


def _by_service(table: str, signal: Signal, names: Sequence[str]) -> _Rows:
    """A table whose order the files keep."""
    columns = ", ".join(names)
    return _Rows(
        table,
        signal,
        lambda where: (
            f"SELECT {columns} FROM {table} WHERE {where} "
            "ORDER BY Tenant, ServiceName, Timestamp "
            f"SETTINGS {_SETTINGS}, optimize_read_in_order=1"
        ),
    )


def _samples(table: str) -> _Rows:
    columns = ", ".join((*schema.SAMPLE_NAMES, *schema.SERIES_NAMES))
    key = "Tenant, MetricName, Fingerprint"
    return _Rows(
        table,
        Signal.METRICS,
        lambda where: (
            f"SELECT {columns} FROM (SELECT * FROM {table} WHERE {where}) AS one\n"
            f"ANY LEFT JOIN (SELECT {key}, {', '.join(schema.SERIES_NAMES)} FROM series FINAL "
            f"WHERE Fingerprint IN (SELECT Fingerprint FROM {table} WHERE {where})) AS its\n"
            f"USING ({key}) SETTINGS {_SETTINGS}, {_MERGED}"
        ),
    )


_HOT: Mapping[Signal, _Rows] = {
    Signal.LOGS: _by_service("logs", Signal.LOGS, schema.COLUMN_NAMES),
    Signal.SPANS: _by_service("spans", Signal.SPANS, schema.SPAN_NAMES),
    Signal.METRICS: _samples("samples"),
}
_BULK: Mapping[Signal, _Rows] = {
    Signal.LOGS: _by_service("bulk_rows", Signal.LOGS, schema.COLUMN_NAMES),
    Signal.SPANS: _by_service("bulk_spans", Signal.SPANS, schema.SPAN_NAMES),
    Signal.METRICS: _samples("bulk_samples"),
}


def _sources(hot: Sequence[Header], bulk: Sequence[Header]) -> list[tuple[_Rows, Sequence[Header]]]:
    """Each table that holds rows of a step, and whose they are."""
    found = [
        (rows, [header for header in headers if header.signal is signal])
        for tables, headers in ((_HOT, hot), (_BULK, bulk))
        for signal, rows in tables.items()
    ]
    return [(source, headers) for source, headers in found if headers]


class Archive:
    """Writes steps and remembers how far it is; lets files change places."""

    def __init__(
        self,
        engine: Engine,
        directory: Path,
        clock: Clock | None = None,
        epochs: EpochsOf | None = None,
    ) -> None:
        self._engine = engine
        self._directory = directory
        self._clock = clock or SystemClock()
        self._epochs = epochs
        self._manifest: Manifest | None = None
        self._changes: Changes | None = None
        self._horizon: Horizon | None = None
        self.leaving = Leaving(directory, self._clock)
        self.damage = Damage(directory / "damaged")

    async def open(self, changes: Changes | None = None, horizon: Horizon | None = None) -> None:
        """Read the manifest and delete what it does not list: files that a crash left half-written,
        and those that others took the place of. `changes` hears of rows that are archived; below
        the `horizon` queries read them here. Raises ConfigError, OSError."""
        self._changes, self._horizon = changes, horizon
        await asyncio.to_thread(self._open)

    def _open(self) -> None:
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            why = f"{self._directory} cannot be written: {error.strerror}"
            raise ConfigError(f"archive.directory: {why}") from None
        self._manifest = self._read_manifest(self._directory / "manifest")
        self.damage.open()
        known = self._manifest.paths()
        self.damage.forget(self.damage.known.keys() - known)
        for path in self._directory.rglob("*.parquet"):
            if str(path.relative_to(self._directory)) not in known:
                path.unlink()

    def _read_manifest(self, path: Path) -> Manifest:
        """One is there from the first start on: where it is gone, the files must not go too."""
        if not path.exists():
            if next(self._directory.rglob("*.parquet"), None) is not None:
                raise ConfigError(
                    f"archive.directory: {path} is gone, which says which files count; "
                    "restore it from a backup, or move the files elsewhere"
                )
            write_whole(path, b"", 0o644)
        return Manifest(path)

    @property
    def directory(self) -> Path:
        """Under which the files are."""
        return self._directory

    @property
    def manifest(self) -> Manifest:
        """The open manifest."""
        assert self._manifest is not None, "open() first"
        return self._manifest

    @property
    def listing(self) -> Listing:
        """The files that count."""
        return self.manifest.listing

    @property
    def upto(self) -> Position:
        """The place in the queue up to which everything is archived."""
        return self.manifest.upto

    @property
    def received_ns(self) -> int:
        """When the last frame that is archived came in, UTC nanoseconds; 0 when nobody knows."""
        return self.listing.received_ns

    async def step(
        self, hot: Sequence[Header], bulk: Sequence[Header], upto: Position
    ) -> tuple[int, int, int]:
        """Write the rows of these frames and record the step, durably: rows, files, bytes.

        `hot` frames are read from the tables that queries read, `bulk` ones from those of their
        own. Raises StoreError when the tables hold another number of rows than the headers say, or
        the disk fails; then nothing is recorded.
        """
        try:
            return await self._step(hot, bulk, upto)
        except OSError as error:
            raise StoreError(f"archive: {error.strerror}") from error

    async def _step(
        self, hot: Sequence[Header], bulk: Sequence[Header], upto: Position
    ) -> tuple[int, int, int]:
        files: list[ArchiveFile] = []
        epochs = await self._epochs_of([*hot, *bulk])
        for source, headers in _sources(hot, bulk):
            files += await self._export_table(source, headers, upto, epochs)
        rows = sum(file.rows for file in files)
        expected = sum(header.rows for header in [*hot, *bulk])
        if rows != expected:
            raise StoreError(f"archive step has {rows} rows where its frames say {expected}")
        received_ns = max((header.received_ns for header in [*hot, *bulk]), default=0)
        step = Step(upto, rows, len(hot) + len(bulk), files, received_ns)
        await asyncio.to_thread(self.manifest.append, step)
        self._tell(files)
        return rows, len(files), sum(file.bytes for file in files)

    async def swap(self, why: Why, removed: Sequence[ArchiveFile], added: list[ArchiveFile]) -> int:
        """Let `added`, which are written whole, take the place of files that count, durably: when,
        UTC nanoseconds. The removed ones are deleted when no query can read them any more. Raises
        StoreError when one of them does not count, or the disk fails; then nothing has changed."""
        at_ns = self._clock.wall_ns()
        swap = Swap(why, at_ns, [file.path for file in removed], added)
        try:
            await asyncio.to_thread(self.manifest.swap, swap)
        except OSError as error:
            raise StoreError(f"archive: {error.strerror}") from error
        self.leaving.add(swap.removed)
        await self.found_whole(swap.removed)
        if why != "compacted":
            self._tell(removed)
        return at_ns

    async def found_damaged(self, path: str, wrong: str) -> None:
        """A file is not as it was written: queries over it say so from now on, and the own log."""
        try:
            news = await asyncio.to_thread(self.damage.note, path, wrong)
        except OSError:
            news = True
        if news:
            _log.error("a file of the archive is damaged", extra={"file": path, "why": wrong})

    async def found_whole(self, paths: Sequence[str]) -> None:
        """Files are as they were written, or count no more."""
        with contextlib.suppress(OSError):  # then they are known as damaged a while longer
            await asyncio.to_thread(self.damage.forget, paths)

    async def _epochs_of(self, headers: Sequence[Header]) -> dict[str, Epochs]:
        """Keys that can have made the pseudonyms of each tenant's frames."""
        if self._epochs is None:
            return {}
        since: dict[str, int] = {}
        for header in headers:
            earliest = since.get(header.tenant, header.received_ns)
            since[header.tenant] = min(earliest, header.received_ns)
        return {tenant: await self._epochs(tenant, ns) for tenant, ns in since.items()}

    def _tell(self, files: Sequence[ArchiveFile]) -> None:
        if self._changes is None:
            return
        for file in files:
            self._changes.archived(file.tenant, file.signal, file.first_ns)
            if self._horizon is None:
                continue
            if file.first_ns < self._horizon.cut(file.signal, file.tenant).last_ns:
                self._changes.changed(file.tenant, file.signal, file.first_ns)

    async def _export_table(
        self,
        source: _Rows,
        headers: Sequence[Header],
        upto: Position,
        epochs: Mapping[str, Epochs],
    ) -> list[ArchiveFile]:
        where = identified(headers)
        found = await self._engine.rows(
            "SELECT Tenant, intDiv(toUnixTimestamp64Nano(Timestamp), "
            f"{HOUR_NS}) AS hour, count(), min(toUnixTimestamp64Nano(Timestamp)), "
            f"max(toUnixTimestamp64Nano(Timestamp)) FROM {source.table} WHERE {where} "
            "GROUP BY Tenant, hour ORDER BY Tenant, hour"
        )
        files = []
        for tenant, hour, rows, first_ns, last_ns in found:
            name = f"{source.table}-{upto.segment:012d}-{upto.offset:012d}.parquet"
            path = f"{folder_of(source.signal, str(tenant), int(hour))}/{name}"
            whole = self._directory / path
            try:
                await self._export_file(source, where, whole, str(tenant), int(hour))
                size, checksum = await parquet.written(self._engine, whole, int(rows))
            except (StoreError, OSError):
                whole.unlink(missing_ok=True)
                raise
            files.append(
                ArchiveFile(
                    path, str(tenant), int(rows), size, int(first_ns), int(last_ns), checksum,
                    epochs.get(str(tenant)), self._clock.wall_ns(),
                )
            )  # fmt: skip
        return files

    async def _export_file(
        self, source: _Rows, where: str, path: Path, tenant: str, hour: int
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        start, end = sql.moment(hour * HOUR_NS), sql.moment((hour + 1) * HOUR_NS)
        rows = source.select(
            f"{where} AND Tenant = {sql.text(tenant)} "
            f"AND Timestamp >= {start} AND Timestamp < {end}"
        )
        await self._engine.export(
            f"INSERT INTO FUNCTION file({sql.text(str(path))}, Parquet) {rows}"
        )


def folder_of(signal: Signal, tenant: str, hour: int) -> str:
    """Under the archive, of files whose first row is of an hour, counted from 1970, UTC."""
    start = datetime.fromtimestamp(hour * 3600, UTC)
    first = f"{FOLDERS[signal]}/" if FOLDERS[signal] else ""
    return f"{first}tenant={tenant}/{start.strftime('day=%Y-%m-%d/hour=%H')}"
