"""Frames on disk until the gateway has them: segments that are only ever appended to.

    spool/NUMBER.spool   NUMBER is that of its first entry, 16 digits
    segment = entry*
    entry   = u32 length of body | u64 xxh3 of body | body          (little endian)
    body    = u32 length of note | note (msgpack `Note`) | one frame as wire/frames.py writes it

The note says which bytes of which file the frame holds, so an entry that is durable is also the
checkpoint of its bytes. Entries are numbered without gaps. A segment is deleted when a durable
checkpoint covers its last entry and the gateway has it.

Recovery: entries that the checkpoint covers are not looked at. Of the others, the first that is
torn or fails its checksum and everything behind it is set aside as `*.corrupt`: nothing of it is
in the checkpoint, so the files are read again from before it. Entries of a segment with numbers of
the next one are left from a write that failed; they are ignored.
"""

from __future__ import annotations

import contextlib
import os
import struct
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import xxhash

from tailrace.agent.checkpoints import Mark
from tailrace.core import limits, log
from tailrace.core.disk import sync_directory
from tailrace.core.metrics import Metrics

_log = log.get("agent")
_HEAD = struct.Struct("<IQ")
_NOTE_BYTES = struct.Struct("<I")
_BODY_BYTES = limits.FRAME_BYTES + 2 * limits.HEADER_BYTES
_SEGMENT_BYTES = 16 * limits.MIB
_CORRUPT_KEPT = 4
_PARTS = 512  # of one system call, which takes 1,024 at most


class Note(msgspec.Struct, frozen=True, array_like=True):
    """What an entry is: its number, its frame's epoch, seq and rows, its file and how far."""

    entry: int
    epoch: int
    seq: int
    rows: int
    key: str
    mark: Mark


_decoder = msgspec.msgpack.Decoder(Note)


class Entry(msgspec.Struct, frozen=True):
    """A note and its frame in wire form."""

    note: Note
    frame: bytes


class _Segment:
    def __init__(self, path: Path, first: int, size: int) -> None:
        self.path = path
        self.first = first
        self.size = size  # durable bytes; a reader goes no further


class Spool:
    """One thread appends and releases, one reads and acknowledges."""

    def __init__(self, directory: Path, limit_bytes: int, metrics: Metrics) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = directory
        self._limit_bytes = limit_bytes
        self._segment_bytes = max(1, min(_SEGMENT_BYTES, limit_bytes // 4))
        self._metrics = metrics
        self._lock = threading.Lock()
        self._segments: list[_Segment] = []
        self._writing: int | None = None
        self._cursor = (0, 0)  # first entry of the segment being read, offset in it
        self.next_entry = 1
        self.acked = 1

    def recover(self, covered: int, acked: int, apply: Callable[[Note], None]) -> bool:
        """Open what a former run left; `apply` gets the notes from entry `covered` on, in order.

        Returns False when something had to be set aside. Raises OSError.
        """
        found = sorted(self._directory.glob("*.spool"))
        segments = [_Segment(path, int(path.stem), path.stat().st_size) for path in found]
        self.acked, self.next_entry = acked, covered
        intact = True
        for index, segment in enumerate(segments):
            following = segments[index + 1].first if index + 1 < len(segments) else None
            if not intact:
                self._set_aside(segment.path, 0)
                continue
            if following is None or following > covered:
                intact = self._scan(segment, following, covered, apply)
            if segment.size:
                self._segments.append(segment)
            elif segment.path.exists():
                segment.path.unlink()
        return intact

    def _scan(
        self, segment: _Segment, following: int | None, covered: int, apply: Callable[[Note], None]
    ) -> bool:
        position = 0
        with segment.path.open("rb", buffering=0) as file:
            while position < segment.size:
                entry = _read_entry(file.fileno(), position, segment.size)
                if entry is None or (following is not None and entry.note.entry >= following):
                    break
                position += _length(file.fileno(), position)
                if entry.note.entry >= covered:
                    apply(entry.note)
                self.next_entry = max(self.next_entry, entry.note.entry + 1)
        if position == segment.size or self.next_entry == following:
            segment.size = position
            return True
        self._set_aside(segment.path, position)
        segment.size = position
        return False

    def _set_aside(self, path: Path, position: int) -> None:
        """Keep the bytes from `position` on for a person to look at; a few such files at most."""
        self._metrics.add("tailrace_agent_spool_corrupt_total")
        aside = path.with_name(f"{path.stem}-{position}.corrupt")
        _log.error("a spool file was damaged; its end is set aside", extra={"path": str(aside)})
        if position == 0:
            path.replace(aside)
        else:
            with path.open("rb") as source, aside.open("wb") as target:
                source.seek(position)
                while block := source.read(limits.MIB):
                    target.write(block)
            os.truncate(path, position)
        kept = sorted(self._directory.glob("*.corrupt"), key=lambda p: p.stat().st_mtime_ns)
        for old in kept[:-_CORRUPT_KEPT]:
            old.unlink()

    @property
    def size_bytes(self) -> int:
        """Bytes of all segments."""
        with self._lock:
            return sum(segment.size for segment in self._segments)

    def has_room(self, coming_bytes: int = 0) -> bool:
        """False at the bound: then nothing more is read, and nothing is dropped."""
        return self.size_bytes + coming_bytes < self._limit_bytes

    def append(self, entries: Sequence[Entry]) -> None:
        """Keep entries, numbered from `next_entry` on; durable when this returns.

        After an OSError none of them is kept and the segment is not written to again.
        """
        parts = [part for entry in entries for part in _encode(entry)]
        try:
            segment, descriptor = self._open_segment()
            size = _write(descriptor, parts)
            os.fdatasync(descriptor)
        except OSError:
            self._abandon()
            raise
        with self._lock:
            segment.size += size
            self.next_entry = entries[-1].note.entry + 1

    def _open_segment(self) -> tuple[_Segment, int]:
        if self._writing is not None and self._segments[-1].size >= self._segment_bytes:
            os.close(self._writing)
            self._writing = None
        if self._writing is None:
            path = self._directory / f"{self.next_entry:016d}.spool"
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
            self._writing = os.open(path, flags, 0o600)
            with self._lock:
                self._segments.append(_Segment(path, self.next_entry, 0))
            sync_directory(self._directory)
        return self._segments[-1], self._writing

    def _abandon(self) -> None:
        if self._writing is None:
            return
        with contextlib.suppress(OSError):
            os.ftruncate(self._writing, self._segments[-1].size)
        with contextlib.suppress(OSError):
            os.close(self._writing)
        self._writing = None
        with self._lock:
            if self._segments[-1].size == 0:
                dead = self._segments.pop()
                with contextlib.suppress(OSError):
                    dead.path.unlink()

    def read(self, max_bytes: int, max_entries: int) -> list[Entry]:
        """The next durable entries, at least one if there is any; moves on. Skips what is
        acknowledged, and what is corrupt, which it counts."""
        entries: list[Entry] = []
        size = 0
        while size < max_bytes and len(entries) < max_entries:
            entry = self._next()
            if entry is None:
                break
            if entry.note.entry >= self.acked:
                entries.append(entry)
                size += len(entry.frame)
        return entries

    def _next(self) -> Entry | None:
        while True:
            with self._lock:
                first, position = self._cursor
                ahead = [s for s in self._segments if s.first >= first]
                segment = ahead[0] if ahead else None
                size = segment.size if segment else 0
                last = len(ahead) < 2
            if segment is None:
                return None
            if segment.first != first:
                position = 0
            if position < size:
                return self._entry_at(segment, position, size)
            if last:
                return None
            self._cursor = (segment.first + 1, 0)

    def _entry_at(self, segment: _Segment, position: int, size: int) -> Entry | None:
        descriptor = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            entry = _read_entry(descriptor, position, size)
            step = _length(descriptor, position)
            self._cursor = (segment.first, min(size, position + step))
        finally:
            os.close(descriptor)
        if entry is None:
            self._metrics.add("tailrace_agent_spool_corrupt_total")
            _log.error("spooled frames are damaged", extra={"path": str(segment.path)})
            return self._next()
        return entry

    def ack(self, entry: int) -> None:
        """The gateway has `entry` and all before it."""
        self.acked = entry + 1

    def release(self, covered: int) -> None:
        """Delete segments whose entries are all acknowledged and below `covered`."""
        done = min(covered, self.acked)
        with self._lock:
            while len(self._segments) > 1 and self._segments[1].first <= done:
                self._segments.pop(0).path.unlink(missing_ok=True)
            if self._segments and self.next_entry <= done:
                if self._segments[0].size >= self._segment_bytes:
                    self.close()
                if self._writing is None:
                    self._segments.pop(0).path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the segment being written."""
        if self._writing is not None:
            os.close(self._writing)
            self._writing = None


def _write(descriptor: int, parts: Sequence[bytes]) -> int:
    """Append all parts; returns their bytes."""
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


def _encode(entry: Entry) -> tuple[bytes, bytes, bytes]:
    note = msgspec.msgpack.encode(entry.note)
    start = _NOTE_BYTES.pack(len(note)) + note
    digest = xxhash.xxh3_64(start)
    digest.update(entry.frame)
    return _HEAD.pack(len(start) + len(entry.frame), digest.intdigest()), start, entry.frame


def _length(descriptor: int, position: int) -> int:
    """Bytes of the whole entry at `position`, as it claims; to the end when that cannot be."""
    head = os.pread(descriptor, _HEAD.size, position)
    size: int = _HEAD.unpack(head)[0] if len(head) == _HEAD.size else _BODY_BYTES + 1
    return _HEAD.size + size if size <= _BODY_BYTES else 1 << 62


def _read_entry(descriptor: int, position: int, end: int) -> Entry | None:
    """The entry at `position`; None when it is torn or damaged."""
    head = os.pread(descriptor, _HEAD.size, position)
    if len(head) < _HEAD.size:
        return None
    size, checksum = _HEAD.unpack(head)
    if not _NOTE_BYTES.size <= size <= _BODY_BYTES or position + _HEAD.size + size > end:
        return None
    body = os.pread(descriptor, size, position + _HEAD.size)
    if len(body) != size or xxhash.xxh3_64_intdigest(body) != checksum:
        return None
    note_end = _NOTE_BYTES.size + _NOTE_BYTES.unpack_from(body)[0]
    try:
        note = _decoder.decode(body[_NOTE_BYTES.size : note_end])
    except msgspec.MsgspecError:
        return None
    return Entry(note, body[note_end:])
