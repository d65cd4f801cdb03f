"""The footer of a Parquet file: `... | footer (Thrift) | its length, 4 bytes | PAR1`.

https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

from __future__ import annotations

import os
from pathlib import Path

from tailrace.core.errors import StoreError
from tailrace.store import thrift
from tailrace.store.thrift import Fields

MAGIC = b"PAR1"
# Fields of FileMetaData, by their numbers.
ROWS, ROW_GROUPS = 3, 4


def read(descriptor: int, name: str) -> tuple[Fields, int]:
    """FileMetaData, and where it begins in the file. Raises OSError, and StoreError for a file
    without one; `name` stands in it."""
    size = os.fstat(descriptor).st_size
    tail = os.pread(descriptor, 8, max(size - 8, 0))
    length = int.from_bytes(tail[:4], "little")
    start = size - 8 - length
    if tail[4:] == MAGIC and start >= len(MAGIC):
        try:
            return thrift.decode(os.pread(descriptor, length, start)), start
        except ValueError:
            pass
    raise StoreError(f"{name} has no footer of Parquet")


def rows(path: Path) -> int:
    """How many rows a file says it has. Raises OSError, StoreError."""
    with path.open("rb") as file:
        fields, _ = read(file.fileno(), path.name)
    try:
        return int(fields[ROWS].value)
    except (KeyError, TypeError, ValueError):
        raise StoreError(f"{path.name} has no footer of Parquet") from None
