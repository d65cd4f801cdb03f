"""Frames on disk until the gateway has them: one file a frame, `SEQ.frame`.

Layout: u32 CRC of the rest | u32 length of the mark | mark (JSON: which file, read up to where)
| msgpack header | payload, the header's length as u32 before it. A frame keeps its number and its
bytes for all retries. An entry that fails its checksum was never finished: its bytes are read
again from the file, since the checkpoint does not cover them.
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import msgspec

from tailrace.agent.checkpoints import sync_directory
from tailrace.core.frame import Frame, Header


class Mark(msgspec.Struct, frozen=True):
    """The file (its key in the state) and the offset after the bytes of the frame."""

    file: str
    end: int


class Spool:
    """Bounded by bytes; `has_room` says whether to read on. Thread-safe by one file a frame."""

    def __init__(self, directory: Path, limit_bytes: int) -> None:
        self._directory = directory
        self._limit_bytes = limit_bytes
        self._sizes: dict[int, int] = {}

    def open(self) -> list[tuple[int, Mark]]:
        """Sequence numbers and marks of what a former run left, oldest first."""
        self._directory.mkdir(parents=True, exist_ok=True)
        left = []
        for path in sorted(self._directory.glob("*.frame")):
            parsed = _parse(path.read_bytes())
            if parsed is None:
                path.unlink()
                continue
            left.append((int(path.stem), parsed[0]))
            self._sizes[int(path.stem)] = path.stat().st_size
        return left

    @property
    def size_bytes(self) -> int:
        """Bytes of all entries."""
        return sum(list(self._sizes.values()))

    def has_room(self) -> bool:
        """False at the bound: then nothing more is read, and nothing is dropped."""
        return self.size_bytes < self._limit_bytes

    def add(self, frame: Frame, mark: Mark) -> None:
        """Keep a frame, durably once `sync` returned."""
        header = msgspec.msgpack.encode(frame.header)
        note = msgspec.json.encode(mark)
        body = b"".join(
            (struct.pack("<I", len(note)), note, struct.pack("<I", len(header)), header)
        )
        crc = zlib.crc32(frame.payload, zlib.crc32(body))
        with self._path(frame.header.seq).open("wb") as file:
            file.write(struct.pack("<I", crc) + body)
            file.write(frame.payload)
            file.flush()
            os.fdatasync(file.fileno())
        self._sizes[frame.header.seq] = len(body) + len(frame.payload) + 4

    def sync(self) -> None:
        """Make the names of new entries durable."""
        sync_directory(self._directory)

    def oldest(self, below: int, max_bytes: int) -> list[Frame]:
        """Frames in order, numbered under `below`, about `max_bytes` of them, at least one."""
        frames: list[Frame] = []
        size = 0
        for seq in sorted(self._sizes):
            if seq >= below or (frames and size + self._sizes[seq] > max_bytes):
                break
            parsed = _parse(self._path(seq).read_bytes())
            if parsed is not None:
                frames.append(parsed[1])
                size += self._sizes[seq]
        return frames

    def remove(self, seqs: list[int]) -> None:
        """Forget frames that the gateway has."""
        for seq in seqs:
            self._path(seq).unlink(missing_ok=True)
            self._sizes.pop(seq, None)

    def _path(self, seq: int) -> Path:
        return self._directory / f"{seq:016d}.frame"


def _parse(data: bytes) -> tuple[Mark, Frame] | None:
    if len(data) < 8 or zlib.crc32(data[4:]) != int.from_bytes(data[:4], "little"):
        return None
    note_end = 8 + int.from_bytes(data[4:8], "little")
    mark = msgspec.json.decode(data[8:note_end], type=Mark)
    header_end = note_end + 4 + int.from_bytes(data[note_end : note_end + 4], "little")
    header = msgspec.msgpack.decode(data[note_end + 4 : header_end], type=Header)
    return mark, Frame(header, data[header_end:])
