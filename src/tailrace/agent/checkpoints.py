"""How far each file has been read: one small file, replaced atomically.

Layout: `CRC32 SPACE JSON NEWLINE`, the checksum in 8 hex digits over the JSON. The file before is
kept as `checkpoints.old` and used when the newer one fails its checksum. Offsets only ever cover
bytes that the spool holds durably or the gateway has acknowledged.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import msgspec


class FileMark(msgspec.Struct):
    """`fingerprint`: CRC32 of the first `fingerprint_bytes` bytes, against a reused inode."""

    offset: int
    fingerprint: int = 0
    fingerprint_bytes: int = 0
    path: str = ""


class State(msgspec.Struct):
    """`files` is keyed by "device:inode". `epoch` and `next_seq` number the frames."""

    source: str
    epoch: int
    next_seq: int = 1
    files: dict[str, FileMark] = {}


class Checkpoints:
    """Loads and saves the state of an agent. Blocking."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "checkpoints"
        self._old = directory / "checkpoints.old"

    def load(self) -> State | None:
        """The newest state whose checksum holds, or None."""
        for path in (self._path, self._old):
            if path.exists() and (state := _parse(path.read_bytes())) is not None:
                return state
        return None

    def save(self, state: State) -> None:
        """Make `state` durable."""
        text = msgspec.json.encode(state)
        temporary = self._path.with_suffix(".new")
        with temporary.open("wb") as file:
            file.write(f"{zlib.crc32(text):08x} ".encode() + text + b"\n")
            file.flush()
            os.fsync(file.fileno())
        if self._path.exists():
            self._path.replace(self._old)
        temporary.replace(self._path)
        sync_directory(self._path.parent)


def _parse(data: bytes) -> State | None:
    checksum, text = data[:8], data[9:-1]
    if f"{zlib.crc32(text):08x}".encode() != checksum:
        return None
    return msgspec.json.decode(text, type=State)


def sync_directory(directory: Path) -> None:
    """Make names in `directory` durable."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
