"""Positions: how far each consumer has committed.

Two files per consumer, `<name>.0` and `<name>.1`, take turns. Each is written beside its place,
synced, and moved over the older one, so the newer generation is never touched by a write:

    offset  bytes  what
    0       4      magic, 'TRP1'
    4       8      generation, little-endian, one more than the other file's
    12      8      segment number
    20      8      offset
    28      4      crc32 of the 28 bytes before and of the consumer's name

The valid file with the highest generation holds. When neither is valid the consumer begins at
the oldest segment: it may read frames again, never miss one.
"""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path

from tailrace.core.contracts import Position
from tailrace.core.errors import ConfigError
from tailrace.queue.files import FileSystem, remove_quietly

_POSITION = struct.Struct("<4sQQQ")
_MAGIC = b"TRP1"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
START = Position(0, 0)


class PositionFile:
    """The durable position of one consumer. Blocking; used from one worker thread."""

    def __init__(self, files: FileSystem, directory: Path, name: str) -> None:
        if _NAME.fullmatch(name) is None:
            raise ConfigError(f"consumer {name!r}: use a-z, 0-9, _ and -, at most 63 characters")
        self._files = files
        self._directory = directory
        self._name = name
        self._generation = 0

    def load(self) -> Position:
        """The last stored position; `Position(0, 0)` when there is none."""
        found = [self._read(turn) for turn in (0, 1)]
        self._generation, position = max(found)
        return position

    def store(self, position: Position) -> None:
        """Durably. Raises OSError; then the position stored before still holds."""
        generation = self._generation + 1
        temporary = self._directory / f"{self._name}.new"
        remove_quietly(self._files, temporary)
        handle = self._files.create(temporary)
        try:
            self._files.write(handle, [encode(self._name, generation, position)])
            self._files.fdatasync(handle)
        finally:
            self._files.close(handle)
        self._files.replace(temporary, self._path(generation % 2))
        self._generation = generation
        self._files.fsync_dir(self._directory)

    def _path(self, turn: int) -> Path:
        return self._directory / f"{self._name}.{turn}"

    def _read(self, turn: int) -> tuple[int, Position]:
        try:
            data = self._files.read(self._path(turn), 0, _POSITION.size + 5)
        except OSError:
            return 0, START
        return decode(self._name, data) or (0, START)


def encode(name: str, generation: int, position: Position) -> bytes:
    body = _POSITION.pack(_MAGIC, generation, position.segment, position.offset)
    return body + zlib.crc32(body + name.encode()).to_bytes(4, "little")


def decode(name: str, data: bytes) -> tuple[int, Position] | None:
    """Generation and position, or None when the bytes fail their checksum."""
    if len(data) != _POSITION.size + 4:
        return None
    body = data[: _POSITION.size]
    if zlib.crc32(body + name.encode()) != int.from_bytes(data[_POSITION.size :], "little"):
        return None
    magic, generation, segment, offset = _POSITION.unpack(body)
    return (generation, Position(segment, offset)) if magic == _MAGIC else None
