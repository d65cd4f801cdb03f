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
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tailrace.core.contracts import Changes, Position
from tailrace.core.disk import sync_directory
from tailrace.core.errors import ConfigError, StoreError
from tailrace.core.frame import Header, Signal
from tailrace.store import schema, sql
from tailrace.store.engine import Engine
from tailrace.store.horizon import Horizon
from tailrace.store.logs import identified
from tailrace.store.manifest import ArchiveFile, Manifest, Step

HOUR_NS = 3_600_000_000_000
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
    """A table to export: the folder of its files, and its rows under a condition, complete."""

    table: str
    folder: str
    select: Callable[[str], str]


def _by_service(table: str, folder: str, names: Sequence[str]) -> _Rows:
    """A table whose order the files keep."""
    columns = ", ".join(names)
    return _Rows(
        table,
        folder,
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
        "metrics",
        lambda where: (
            f"SELECT {columns} FROM (SELECT * FROM {table} WHERE {where}) AS one\n"
            f"ANY LEFT JOIN (SELECT {key}, {', '.join(schema.SERIES_NAMES)} FROM series FINAL "
            f"WHERE Fingerprint IN (SELECT Fingerprint FROM {table} WHERE {where})) AS its\n"
            f"USING ({key}) SETTINGS {_SETTINGS}, {_MERGED}"
        ),
    )


_HOT: Mapping[Signal, _Rows] = {
    Signal.LOGS: _by_service("logs", "", schema.COLUMN_NAMES),
    Signal.SPANS: _by_service("spans", "spans", schema.SPAN_NAMES),
    Signal.METRICS: _samples("samples"),
}
_BULK: Mapping[Signal, _Rows] = {
    Signal.LOGS: _by_service("bulk_rows", "", schema.COLUMN_NAMES),
    Signal.SPANS: _by_service("bulk_spans", "spans", schema.SPAN_NAMES),
    Signal.METRICS: _samples("bulk_samples"),
}


def signal_of(file: ArchiveFile) -> Signal:
    """What a file holds rows of."""
    folders = {rows.folder: signal for signal, rows in _HOT.items()}
    return folders.get(file.path.partition("/")[0], Signal.LOGS)


def _sources(hot: Sequence[Header], bulk: Sequence[Header]) -> list[tuple[_Rows, Sequence[Header]]]:
    """Each table that holds rows of a step, and whose they are."""
    found = [
        (rows, [header for header in headers if header.signal is signal])
        for tables, headers in ((_HOT, hot), (_BULK, bulk))
        for signal, rows in tables.items()
    ]
    return [(source, headers) for source, headers in found if headers]


class Archive:
    """Writes steps and remembers how far it is."""

    def __init__(self, engine: Engine, directory: Path) -> None:
        self._engine = engine
        self._directory = directory
        self._manifest: Manifest | None = None
        self._received_ns = 0
        self._changes: Changes | None = None
        self._horizon: Horizon | None = None

    async def open(self, changes: Changes | None = None, horizon: Horizon | None = None) -> None:
        """Read the manifest and delete what a crash left half-written. `changes` hears of rows that
        are archived; below the `horizon` queries read them here. Raises ConfigError, OSError."""
        self._changes, self._horizon = changes, horizon
        await asyncio.to_thread(self._open)
        self._received_ns = max((step.received_ns for step in self.manifest.steps), default=0)

    def _open(self) -> None:
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            why = f"{self._directory} cannot be written: {error.strerror}"
            raise ConfigError(f"archive.directory: {why}") from None
        self._manifest = Manifest(self._directory / "manifest")
        known = self._manifest.paths()
        for path in self._directory.rglob("*.parquet"):
            if str(path.relative_to(self._directory)) not in known:
                path.unlink()

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
    def upto(self) -> Position:
        """The place in the queue up to which everything is archived."""
        return self.manifest.upto

    @property
    def received_ns(self) -> int:
        """When the last frame that is archived came in, UTC nanoseconds; 0 when nobody knows."""
        return self._received_ns

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
        for source, headers in _sources(hot, bulk):
            files += await self._export_table(source, headers, upto)
        rows = sum(file.rows for file in files)
        expected = sum(header.rows for header in [*hot, *bulk])
        if rows != expected:
            raise StoreError(f"archive step has {rows} rows where its frames say {expected}")
        received_ns = max((header.received_ns for header in [*hot, *bulk]), default=0)
        step = Step(upto, rows, len(hot) + len(bulk), files, received_ns)
        await asyncio.to_thread(self.manifest.append, step)
        self._received_ns = max(received_ns, self._received_ns)
        self._tell(files)
        return rows, len(files), sum(file.bytes for file in files)

    def _tell(self, files: Sequence[ArchiveFile]) -> None:
        if self._changes is None:
            return
        for file in files:
            signal = signal_of(file)
            self._changes.archived(file.tenant, signal, file.first_ns)
            if self._horizon is not None and file.first_ns < self._horizon.of(signal):
                self._changes.changed(file.tenant, signal, file.first_ns)

    async def _export_table(
        self, source: _Rows, headers: Sequence[Header], upto: Position
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
            path = self._path(source, str(tenant), int(hour), upto)
            try:
                await self._export_file(source, where, path, str(tenant), int(hour))
                size = await self._whole(path, int(rows))
            except (StoreError, OSError):
                path.unlink(missing_ok=True)
                raise
            name = str(path.relative_to(self._directory))
            files.append(
                ArchiveFile(name, str(tenant), int(rows), size, int(first_ns), int(last_ns))
            )
        return files

    def _path(self, source: _Rows, tenant: str, hour: int, upto: Position) -> Path:
        start = datetime.fromtimestamp(hour * 3600, UTC)
        hours = start.strftime("day=%Y-%m-%d/hour=%H")
        folder = self._directory / source.folder / f"tenant={tenant}" / hours
        return folder / f"{source.table}-{upto.segment:012d}-{upto.offset:012d}.parquet"

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

    async def _whole(self, path: Path, rows: int) -> int:
        """Size of a file that is durable and complete. Raises StoreError when it is not.

        The engine reports no error when the disk is full: it leaves an empty or a short file.
        """
        size = await asyncio.to_thread(_sync, path)
        if size:
            [(found, content)] = await self._engine.rows(
                "SELECT num_rows, total_compressed_size "
                f"FROM file({sql.text(str(path))}, ParquetMetadata)"
            )
            if int(found) == rows and int(content) < size:
                return size
        raise StoreError(f"{path.name} was not written whole; is the disk full?")


def _sync(path: Path) -> int:
    """Make a file durable; its size in bytes."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        size = os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)
    sync_directory(path.parent)
    return size
