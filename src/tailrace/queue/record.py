"""Records: the bytes of one entry of a segment. Pure functions.

A record is, little-endian:

    offset  bytes  what
    0       4      magic, F5 'T' 'R' '1'
    4       4      header length H
    8       4      payload length P
    12      4      crc32 of the header
    16      4      crc32 of the payload
    20      4      crc32 of the 20 bytes before, seeded by the segment's salt and the record's place
    24      H      header, msgpack
    24+H    P      payload, as received

Recovery rules:

- The prefix has its own checksum, so a broken header or payload still tells how long it is: the
  damage is that record and the next one starts behind it.
- When the prefix itself is broken, the next record is the nearest later magic whose prefix and
  whose whole record verify. Nothing in between is trusted.
- The prefix checksum is seeded with a random salt of the segment and the record's offset. A
  sender who puts the bytes of a record inside a payload cannot have it taken for one, and neither
  can old bytes of the disk.
- crc32 is zlib's. It finds every single flipped bit and every burst of up to 32 bits.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator

import msgspec

from tailrace.core import limits

MAGIC = b"\xf5TR1"
_PREFIX = struct.Struct("<4sIIIII")
_CHECKED = struct.Struct("<4sIIII")
_PLACE = struct.Struct("<QQ")
PREFIX_BYTES = _PREFIX.size
HEADER_LIMIT_BYTES = limits.HEADER_BYTES + 4 * limits.KIB  # a dead letter wraps a frame's header
PAYLOAD_LIMIT_BYTES = limits.BODY_BYTES
# Read from a segment at a time; a record that is longer is read whole.
WINDOW_BYTES = limits.MIB

ReadRange = Callable[[int, int], bytes]


class Prefix(msgspec.Struct, frozen=True):
    """Lengths in bytes and checksums of what follows a verified prefix."""

    header_bytes: int
    payload_bytes: int
    header_crc: int
    payload_crc: int

    @property
    def record_bytes(self) -> int:
        return PREFIX_BYTES + self.header_bytes + self.payload_bytes


class Record(msgspec.Struct, frozen=True):
    """A verified record at [start, end) of its segment."""

    start: int
    end: int
    header: bytes
    payload: bytes


class Damage(msgspec.Struct, frozen=True):
    """Bytes [start, end) of a segment that hold no verified record.

    `measured` is True when a verified prefix told the length: one record, wholly in the file.
    """

    start: int
    end: int
    measured: bool


Walk = Callable[[ReadRange, int, int, int], Iterator[Record | Damage]]
"""Through a segment: how to read it, its salt, and from where to where."""


def encoded_bytes(header: bytes, payload: bytes) -> int:
    """Length of the record of `header` and `payload`."""
    return PREFIX_BYTES + len(header) + len(payload)


def encode_prefix(header: bytes, payload: bytes, salt: int, offset: int) -> bytes:
    """The prefix of a record that will stand at `offset` of the segment with `salt`."""
    checked = _CHECKED.pack(
        MAGIC, len(header), len(payload), zlib.crc32(header), zlib.crc32(payload)
    )
    return checked + zlib.crc32(checked, _seed(salt, offset)).to_bytes(4, "little")


def decode_prefix(data: bytes, salt: int, offset: int) -> Prefix | None:
    """The prefix that stands at `offset`, or None when these bytes are not one."""
    if len(data) < PREFIX_BYTES or data[:4] != MAGIC:
        return None
    _, header, payload, header_crc, payload_crc, crc = _PREFIX.unpack_from(data)
    if zlib.crc32(data[: _CHECKED.size], _seed(salt, offset)) != crc:
        return None
    if header > HEADER_LIMIT_BYTES or payload > PAYLOAD_LIMIT_BYTES:
        return None
    return Prefix(header, payload, header_crc, payload_crc)


def walk(read: ReadRange, salt: int, start: int, end: int) -> Iterator[Record | Damage]:
    """Records and damage from `start`, in order, covering everything before `end`.

    `read(offset, length)` returns the segment's bytes; a short answer counts as damage.
    """
    window = _Window(read, end)
    while start < end:
        prefix = decode_prefix(window.get(start, PREFIX_BYTES), salt, start)
        if prefix is None:
            item: Record | Damage = Damage(start, _resync(window, salt, start + 1), False)
        elif start + prefix.record_bytes > end:
            item = Damage(start, end, False)
        else:
            item = _body(window, prefix, start) or Damage(start, start + prefix.record_bytes, True)
        yield item
        start = item.end


def heads(read: ReadRange, salt: int, start: int, end: int) -> Iterator[Record | Damage]:
    """Like `walk`, with empty payloads: they are neither read nor checked."""
    window = _Window(read, end)
    while start < end:
        item = _head(window, salt, start) or next(walk(read, salt, start, end))
        yield item
        start = item.end


class _Window:
    """A piece of the segment in memory, moved forward as it is asked for."""

    def __init__(self, read: ReadRange, end: int) -> None:
        self._read = read
        self._base = 0
        self._data = b""
        self.end = end

    def get(self, offset: int, length: int) -> bytes:
        length = min(length, self.end - offset)
        at = offset - self._base
        if at < 0 or at + length > len(self._data):
            wanted = min(max(length, WINDOW_BYTES), self.end - offset)
            self._data, self._base, at = self._read(offset, wanted), offset, 0
        return self._data[at : at + length]


def _body(window: _Window, prefix: Prefix, start: int) -> Record | None:
    at = start + PREFIX_BYTES
    header = window.get(at, prefix.header_bytes)
    payload = window.get(at + prefix.header_bytes, prefix.payload_bytes)
    if len(header) != prefix.header_bytes or len(payload) != prefix.payload_bytes:
        return None
    if zlib.crc32(header) != prefix.header_crc or zlib.crc32(payload) != prefix.payload_crc:
        return None
    return Record(start, start + prefix.record_bytes, header, payload)


def _head(window: _Window, salt: int, start: int) -> Record | None:
    prefix = decode_prefix(window.get(start, PREFIX_BYTES), salt, start)
    if prefix is None or start + prefix.record_bytes > window.end:
        return None
    header = window.get(start + PREFIX_BYTES, prefix.header_bytes)
    whole = len(header) == prefix.header_bytes and zlib.crc32(header) == prefix.header_crc
    return Record(start, start + prefix.record_bytes, header, b"") if whole else None


def _resync(window: _Window, salt: int, offset: int) -> int:
    """Where the next whole record starts, or the end."""
    while offset + PREFIX_BYTES <= window.end:
        block = window.get(offset, WINDOW_BYTES)
        at = block.find(MAGIC)
        while at >= 0:
            if _whole_at(window, salt, offset + at):
                return offset + at
            at = block.find(MAGIC, at + 1)
        # The magic may lie across two blocks.
        offset += max(1, len(block) - len(MAGIC) + 1)
    return window.end


def _whole_at(window: _Window, salt: int, offset: int) -> bool:
    prefix = decode_prefix(window.get(offset, PREFIX_BYTES), salt, offset)
    if prefix is None or offset + prefix.record_bytes > window.end:
        return False
    return _body(window, prefix, offset) is not None


def _seed(salt: int, offset: int) -> int:
    return zlib.crc32(_PLACE.pack(salt, offset))
