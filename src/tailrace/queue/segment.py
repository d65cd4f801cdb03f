"""Segments: append-only files of records, NNNNNNNNNNNN.seg, numbered upwards and never reused.

A segment starts with 64 bytes that hold the same 28 bytes twice, padded with zeros, so that one
flipped bit cannot cost the salt that every record's prefix is checked with:

    offset  bytes  what
    0       8      magic, 'TRSEGM01'
    8       8      segment number, little-endian
    16      8      salt, random
    24      4      crc32 of the 24 bytes before
    28      28     the same again
    56      8      zeros

Records (see `record.py`) follow without gaps. A segment is written by one process in one life:
after a restart, a failed write or a failed sync a new segment is begun, so no byte is ever
appended behind bytes of doubtful durability.

At open only the last segment is scanned. Bytes behind its last record are a write that never
finished: they are cut off. A damaged record before a whole one, or one whose length its prefix
still proves, is kept; it may have been acknowledged, and reading names it. Earlier segments are
trusted until they are read; every read checks every record it meets.
"""

from __future__ import annotations

import contextlib
import errno
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from tailrace.core.contracts import Position
from tailrace.core.errors import Corrupt
from tailrace.queue.files import FileSystem, remove_quietly
from tailrace.queue.record import Damage, Record, Walk, walk

_HEAD = struct.Struct("<8sQQ")
_MAGIC = b"TRSEGM01"
_COPY_BYTES = _HEAD.size + 4
HEAD_BYTES = 64
_PAGE_BYTES = 4096


class Extent(msgspec.Struct, frozen=True, order=True):
    """A segment and the offset its durable records reach."""

    number: int
    end: int

    def bytes_after(self, position: Position) -> int:
        """Bytes of records behind `position`."""
        return max(0, self.end - self.start_after(position))

    def start_after(self, position: Position) -> int:
        """Where to read on in this segment."""
        if position.segment > self.number:
            return self.end
        return max(HEAD_BYTES, position.offset) if position.segment == self.number else HEAD_BYTES


def end_of(extents: Iterable[Extent]) -> Position:
    """Behind the last record of all of them; the start when there is none."""
    ends = (Position(e.number, e.end) for e in extents if e.end > HEAD_BYTES)
    return max(ends, default=Position(0, 0))


def path_of(directory: Path, number: int) -> Path:
    return directory / f"{number:012d}.seg"


def numbers_in(files: FileSystem, directory: Path) -> list[int]:
    """Numbers of the segments in `directory`, upwards."""
    stems = [name[:-4] for name in files.listdir(directory) if name.endswith(".seg")]
    return sorted(int(stem) for stem in stems if len(stem) == 12 and stem.isdecimal())


def encode_head(number: int, salt: int) -> bytes:
    """The first 64 bytes of a segment."""
    head = _HEAD.pack(_MAGIC, number, salt)
    return ((head + zlib.crc32(head).to_bytes(4, "little")) * 2).ljust(HEAD_BYTES, b"\0")


def decode_head(data: bytes, number: int) -> int:
    """The salt. Raises Corrupt when neither copy verifies."""
    for start in (0, _COPY_BYTES):
        copy = data[start : start + _COPY_BYTES]
        if len(copy) < _COPY_BYTES:
            break
        magic, stored, salt = _HEAD.unpack_from(copy)
        crc = int.from_bytes(copy[_HEAD.size :], "little")
        if magic == _MAGIC and stored == number and zlib.crc32(copy[: _HEAD.size]) == crc:
            return int(salt)
    raise Corrupt(f"segment {number}: both copies of its head fail their checksum")


def scan(
    files: FileSystem,
    directory: Path,
    extent: Extent,
    start: int,
    walking: Walk = walk,
) -> Iterator[Record | Damage]:
    """Records and damage of one segment from `start` to its end; `walking` is `walk` or `heads`.

    A segment whose head is lost is one damage. Raises OSError, though not for bad sectors.
    """
    path = path_of(directory, extent.number)

    def read(offset: int, length: int) -> bytes:
        return _read_around_bad_sectors(files, path, offset, length)

    try:
        salt = decode_head(read(0, HEAD_BYTES), extent.number)
    except Corrupt:
        yield Damage(start, extent.end, False)
        return
    yield from walking(read, salt, start, extent.end)


def recover(files: FileSystem, directory: Path, number: int) -> tuple[Extent | None, int]:
    """What holds of the last segment, and how many bytes were cut off.

    None when not even its head was finished: the file is removed.
    """
    path = path_of(directory, number)
    size = files.size(path)
    try:
        decode_head(files.read(path, 0, HEAD_BYTES), number)
    except Corrupt:
        if size > HEAD_BYTES:
            return Extent(number, size), 0
        remove_quietly(files, path)
        return None, 0
    end = HEAD_BYTES
    for item in scan(files, directory, Extent(number, size), HEAD_BYTES):
        if isinstance(item, Record) or item.measured:
            end = item.end
    # A failure here costs nothing: the bytes behind `end` are read past, if ever.
    with contextlib.suppress(OSError):
        if size > end:
            files.truncate(path, end)
        # What is read from the page cache after a kill may not be on the disk yet.
        files.sync_file(path)
    return Extent(number, end), max(0, size - end)


def _read_around_bad_sectors(files: FileSystem, path: Path, offset: int, length: int) -> bytes:
    """Like `files.read`, with zeros for pages that the disk cannot read."""
    try:
        return files.read(path, offset, length)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
    parts: list[bytes] = []
    while length > 0:
        step = min(length, _PAGE_BYTES - offset % _PAGE_BYTES)
        try:
            parts.append(files.read(path, offset, step))
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            parts.append(bytes(step))
        offset += step
        length -= step
    return b"".join(parts)
