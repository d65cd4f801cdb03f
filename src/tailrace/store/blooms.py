"""Bloom filters of a Parquet file, of some columns alone.

The engine writes them of every column or of none, and most are of columns that nobody asks for
equality: together they are a sixth of a file of logs. So it writes all of them, at the end of the
file in one piece, and those that are not wanted are cut out of it.

    ... row groups | filters | footer, see footer.py
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from tailrace.core.errors import StoreError
from tailrace.store import footer, thrift
from tailrace.store.thrift import I64, Field, Fields

# For the writer: all filters after the last row group, so that what is cut has nothing behind it.
SETTINGS = (
    "output_format_parquet_write_bloom_filter=1, "
    "output_format_parquet_bloom_filter_flush_threshold_bytes=1073741824"
)
# Fields, by their numbers: of RowGroup, ColumnChunk and ColumnMetaData.
_COLUMNS, _META, _PATH, _OFFSET, _LENGTH = 1, 3, 3, 14, 15
_INDEXES = frozenset({4, 5, 6, 7})


def keep(path: Path, columns: Collection[str]) -> None:
    """Cut the filters of all other columns out of a file that the engine wrote with SETTINGS. Not
    durable, and a crash leaves a broken file. Raises OSError, and StoreError for another file."""
    with path.open("r+b") as file:
        fields, end = footer.read(file.fileno(), path.name)
        try:
            chunks = list(_chunks(fields))
        except (ValueError, KeyError, IndexError, AttributeError, TypeError):
            raise StoreError(f"{path.name} is no Parquet file of the engine") from None
        start = min((meta[_OFFSET].value for meta in chunks if _OFFSET in meta), default=end)
        _check_apart(path, chunks, start, end)
        kept = bytearray()
        for meta in chunks:
            if _OFFSET in meta:
                _keep_one(file.fileno(), meta, columns, start, kept)
        text = thrift.encode(fields)
        file.seek(start)
        file.truncate()
        file.write(kept + text + len(text).to_bytes(4, "little") + footer.MAGIC)


def _chunks(fields: Fields) -> Iterator[Fields]:
    """The metadata of each column of each row group."""
    for group in fields[footer.ROW_GROUPS].value.values:
        for chunk in group[_COLUMNS].value.values:
            if chunk.keys() & _INDEXES:
                raise ValueError
            yield chunk[_META].value


def _check_apart(path: Path, chunks: list[Fields], start: int, end: int) -> None:
    """Filters fill all from `start` to `end`."""
    places = sorted(
        (meta[_OFFSET].value, meta[_LENGTH].value) for meta in chunks if _OFFSET in meta
    )
    at = start
    for offset, length in places:
        if offset != at:
            raise StoreError(f"{path.name}: its filters are not in one piece")
        at += length
    if at != end:
        raise StoreError(f"{path.name}: its filters are not the last before its footer")


def _keep_one(
    descriptor: int, meta: Fields, columns: Collection[str], start: int, kept: bytearray
) -> None:
    offset, length = meta[_OFFSET].value, meta[_LENGTH].value
    if b".".join(meta[_PATH].value.values).decode() in columns:
        meta[_OFFSET] = Field(I64, start + len(kept))
        kept += os.pread(descriptor, length, offset)
    else:
        del meta[_OFFSET], meta[_LENGTH]
