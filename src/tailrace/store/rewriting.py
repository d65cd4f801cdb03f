"""Files of the archive read back and written as one: sorted, packed well, with bloom filters.

What is written has the rows that were read, or nothing takes place: rows are counted on both sides,
and so is a sum over a hash of what names each row. The engine holds a part of a file and sorts on
disk; how much memory it may take is bounded, and what is asked of it comes before other work only
where the machine has nothing else to do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from tailrace.core import limits
from tailrace.core.clock import Clock
from tailrace.core.errors import StoreError
from tailrace.store import blooms, parquet, sql
from tailrace.store.archive import folder_of
from tailrace.store.engine import Engine
from tailrace.store.entries import HOUR_NS, ArchiveFile, joined
from tailrace.store.filekinds import FILE_KINDS, FileKind

# Level 3: files are 5% smaller than at level 1 for 8% more CPU; level 6 takes 2% more off for half
# as much again. See docs/adr/0034-archive-in-few-files.md.
_SETTINGS = (
    "output_format_parquet_compression_method='zstd', output_format_compression_level=3, "
    "output_format_parquet_max_dictionary_size=65536, "
    "output_format_parquet_row_group_size=65536, output_format_parquet_parallel_encoding=0, "
    # Of long rows: readers and the next packing hold a group whole.
    "output_format_parquet_row_group_size_bytes=33554432, "
    f"output_format_parquet_write_page_index=0, {blooms.SETTINGS}, "
    "engine_file_truncate_on_insert=1, max_threads=1, max_block_size=16384, "
    "max_read_buffer_size=131072, use_hive_partitioning=0, os_threads_nice_value_query=19, "
    f"max_memory_usage={limits.ARCHIVE_PACKING_BYTES}, "
    f"max_bytes_before_external_sort={limits.ARCHIVE_PACKING_BYTES // 16}"
)
_NANOSECONDS = "toUnixTimestamp64Nano(toDateTime64(Timestamp, 9, 'UTC'))"
# Rows, what names them, and when they were.
_SUM = (
    "SELECT count(), sum(cityHash64(Source, Epoch, Seq, Timestamp)), "
    f"min({_NANOSECONDS}), max({_NANOSECONDS}) FROM "
)


class Rewriter:
    """Over the files in `directory`. One file at a time."""

    def __init__(self, engine: Engine, directory: Path, clock: Clock) -> None:
        self._engine = engine
        self._directory = directory
        self._clock = clock

    async def damaged(self, files: Sequence[ArchiveFile]) -> dict[str, str]:
        """What is wrong with those of the files that are not as they were written, by path."""
        found = {}
        for file in files:
            if wrong := await asyncio.to_thread(parquet.wrong, self._directory / file.path, file):
                found[file.path] = wrong
        return found

    async def written(self, files: Sequence[ArchiveFile], where: str = "true") -> ArchiveFile:
        """A durable file with the rows of `files`, which are of one signal, tenant and day, for
        which `where` holds; there must be some. It counts for nothing yet. Raises StoreError,
        OSError; then it is not there."""
        kind = FILE_KINDS[files[0].signal]
        source = self._source(kind, [file.path for file in files], where)
        [before] = await self._engine.rows(f"{_SUM}{source}")
        rows, _, first_ns, last_ns = map(int, before)
        path = self._path(files[0], kind, first_ns)
        whole = self._directory / path
        try:
            size, checksum = await self._write(kind, source, whole, rows)
            [after] = await self._engine.rows(f"{_SUM}{self._source(kind, [path], 'true')}")
            if after != before:
                raise StoreError(f"{path}: other rows were written than read; nothing is replaced")
        except BaseException:
            whole.unlink(missing_ok=True)
            raise
        return ArchiveFile(
            path, files[0].tenant, rows, size, first_ns, last_ns, checksum,
            joined(file.epochs for file in files), self._clock.wall_ns(), packed=True,
        )  # fmt: skip

    def _path(self, one: ArchiveFile, kind: FileKind, first_ns: int) -> str:
        folder = folder_of(one.signal, one.tenant, first_ns // HOUR_NS)
        now_ns = self._clock.wall_ns()
        while (self._directory / (path := f"{folder}/{kind.name}-{now_ns:019d}.parquet")).exists():
            now_ns += 1
        return path

    async def _write(self, kind: FileKind, source: str, whole: Path, rows: int) -> tuple[int, str]:
        whole.parent.mkdir(parents=True, exist_ok=True)
        await self._engine.rewrite(
            f"INSERT INTO FUNCTION file({sql.text(str(whole))}, Parquet) "
            f"SELECT {kind.names} FROM {source} ORDER BY {kind.order}",
            _SETTINGS,
        )
        await asyncio.to_thread(_cut, whole, kind.blooms)
        return await parquet.written(self._engine, whole, rows)

    def _source(self, kind: FileKind, paths: Sequence[str], where: str) -> str:
        path = f"{self._directory}/{{{','.join(paths)}}}"
        return f"{kind.source(path)} WHERE {where}"


def _cut(path: Path, columns: frozenset[str]) -> None:
    """The engine leaves an empty file where the disk is full."""
    if path.stat().st_size:
        blooms.keep(path, columns)
