"""One entry of the spool as bytes: a frame, and the note that says what it is.

entry = u32 length of body | u64 xxh3 of body | body          (little endian)
body  = u32 length of note | note (msgpack `Note`) | one frame as wire/frames.py writes it
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence

import msgspec
import xxhash

from tailrace.agent.checkpoints import Mark
from tailrace.core import limits
from tailrace.core.frame import Lane

_HEAD = struct.Struct("<IQ")
_NOTE_BYTES = struct.Struct("<I")
_BODY_BYTES = limits.FRAME_BYTES + 2 * limits.HEADER_BYTES
# What is read at once, to have small entries whole.
_SMALL_BYTES = 4 * limits.KIB
_PARTS = 512  # of one system call, which takes 1,024 at most


class Note(msgspec.Struct, frozen=True, array_like=True):
    """What an entry is: its number, its frame's epoch, seq and rows, its source and how far.

    A piece of a source may become several entries, for the lanes: `more` says that the next
    number belongs to the same piece. `mark` counts on the last of them only.
    """

    entry: int
    epoch: int
    seq: int
    rows: int
    key: str
    mark: Mark
    lane: Lane = Lane.BOTH
    more: bool = False


_decoder = msgspec.msgpack.Decoder(Note)


class Entry(msgspec.Struct, frozen=True):
    """A note and its frame in wire form."""

    note: Note
    frame: bytes


def lane_of(note: Note) -> Lane:
    """Who reads the entry: HOT, which takes BOTH too, or BULK."""
    return Lane.BULK if note.lane is Lane.BULK else Lane.HOT


def encode(entry: Entry) -> tuple[bytes, bytes, bytes]:
    """The parts of an entry, without a copy of the frame."""
    note = msgspec.msgpack.encode(entry.note)
    start = _NOTE_BYTES.pack(len(note)) + note
    digest = xxhash.xxh3_64(start)
    digest.update(entry.frame)
    return _HEAD.pack(len(start) + len(entry.frame), digest.intdigest()), start, entry.frame


def write(descriptor: int, parts: Sequence[bytes]) -> int:
    """Append all parts; returns their bytes. Raises OSError."""
    size = 0
    for start in range(0, len(parts), _PARTS):
        some = parts[start : start + _PARTS]
        written = os.writev(descriptor, some)
        whole = sum(map(len, some))
        if written < whole:
            rest = memoryview(b"".join(some))[written:]
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        size += whole
    return size


def read(descriptor: int, position: int, end: int) -> tuple[Entry | None, int]:
    """The entry at `position`, and where the next one begins; None when it is torn or damaged.

    That is as the entry claims, and `end` when that cannot be. A small entry takes one read.
    """
    data = os.pread(descriptor, min(_SMALL_BYTES, end - position), position)
    if len(data) < _HEAD.size:
        return None, end
    size, checksum = _HEAD.unpack_from(data)
    after = position + _HEAD.size + size
    if size > _BODY_BYTES or after > end:
        return None, end
    body = data[_HEAD.size : _HEAD.size + size]
    if len(body) < size:
        body = os.pread(descriptor, size, position + _HEAD.size)
    return _parsed(body, size, checksum), after


def _parsed(body: bytes, size: int, checksum: int) -> Entry | None:
    if size < _NOTE_BYTES.size or len(body) != size:
        return None
    if xxhash.xxh3_64_intdigest(body) != checksum:
        return None
    note_end = _NOTE_BYTES.size + _NOTE_BYTES.unpack_from(body)[0]
    try:
        note = _decoder.decode(body[_NOTE_BYTES.size : note_end])
    except msgspec.MsgspecError:
        return None
    return Entry(note, body[note_end:])


def walk(descriptor: int, end: int) -> Iterator[tuple[int, Entry | None]]:
    """Every entry before `end`, with the position after it; None for a damaged one."""
    position = 0
    while position < end:
        entry, position = read(descriptor, position, end)
        yield position, entry
