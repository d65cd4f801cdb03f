"""A Parquet file as it is on disk: durable, complete, and what its bytes are."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any, Protocol

import xxhash

from tailrace.core.disk import sync_directory
from tailrace.core.errors import StoreError
from tailrace.store import footer, sql
from tailrace.store.entries import ArchiveFile

_PIECE_BYTES = 1 << 20


class Reading(Protocol):
    """What is needed of an engine."""

    async def rows(self, sql: str) -> list[tuple[Any, ...]]: ...


async def written(engine: Reading, path: Path, rows: int) -> tuple[int, str]:
    """Size and checksum of a file that is durable and complete. Raises StoreError when it is not.

    The engine reports no error when the disk is full: it leaves an empty or a short file.
    """
    size, found = await asyncio.to_thread(_sync, path)
    if size:
        [(count, content)] = await engine.rows(
            "SELECT num_rows, total_compressed_size "
            f"FROM file({sql.text(str(path))}, ParquetMetadata)"
        )
        if int(count) == rows and int(content) < size:
            return size, found
    raise StoreError(f"{path.name} was not written whole; is the disk full?")


def checksum(path: Path) -> str:
    """xxh3_128 of a file's bytes, in hex. Raises OSError."""
    found = xxhash.xxh3_128()
    with path.open("rb", buffering=0) as file:
        while piece := file.read(_PIECE_BYTES):
            found.update(piece)
    return found.hexdigest()


def _sync(path: Path) -> tuple[int, str]:
    """Make a file durable; its size in bytes and its checksum."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        size = os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)
    sync_directory(path.parent)
    return size, checksum(path)


def wrong(path: Path, said: ArchiveFile) -> str:
    """What is wrong with the bytes of a file, "" where they are those that were written. Reads all
    of it where its checksum is known."""
    try:
        found = path.stat().st_size
        if found != said.bytes:
            return f"it has {found:,} bytes, not {said.bytes:,}"
        if said.checksum and checksum(path) != said.checksum:
            return "its bytes are not those that were written"
        rows = footer.rows(path)
        if rows != said.rows:
            return f"it has {rows:,} rows, not {said.rows:,}"
    except FileNotFoundError:
        return "it is gone"
    except StoreError:
        return "it has no footer of Parquet"
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    return ""


def size(path: Path) -> int:
    """Of a file, in bytes; -1 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return -1
