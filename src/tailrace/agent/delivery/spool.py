"""Frames on disk until the gateway has them: segments that are only ever appended to.

    spool/NUMBER.spool   no entry of it has a lower number; 16 digits
    segment = entry*     see entries.py

The note of an entry says which bytes of which source the frame holds, so an entry that is durable
is also the checkpoint of its bytes. Entries are numbered without gaps. Two lanes are read apart:
hot (entries of the lanes hot and both) and bulk. A segment is deleted when a durable checkpoint
covers its last entry and each lane has acknowledged what it has in it.

Dropping (`drop_bulk`): the segment is written anew beside, as `NUMBER.rewrite`, without its bulk
entries and without what is acknowledged; it is synced, the loss is recorded (losses.py), and it is
renamed over the segment. Only entries that a durable checkpoint covers are dropped. Numbers then
have gaps there. When the last entry of a piece is dropped, the one before takes over its mark.

Recovery: entries that the checkpoint covers are not looked at. Of the others, the first that is
torn or fails its checksum and everything behind it is set aside as `*.corrupt`, and so is an
unfinished piece at the end: nothing of it is in the checkpoint, so its source is read again from
before it. Entries of a segment with numbers of the next one are left from a write that failed; they
are ignored. A `*.rewrite` is deleted.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from tailrace.agent.delivery import entries as form
from tailrace.agent.delivery.entries import Entry, Note, lane_of
from tailrace.agent.delivery.lanes import Place, Reader, Segment
from tailrace.agent.delivery.losses import SPOOL_AGE, SPOOL_FULL, Losses
from tailrace.agent.delivery.rewrite import Dropping, rewrite
from tailrace.agent.delivery.sending import Sending
from tailrace.core import limits, log
from tailrace.core.clock import Clock, SystemClock
from tailrace.core.disk import sync_directory
from tailrace.core.frame import Header, Lane
from tailrace.core.metrics import Metrics
from tailrace.wire import frames

__all__ = ["Bounds", "Entry", "Note", "Spool", "WhenFull"]

_log = log.get("agent")
_SEGMENT_BYTES = 16 * limits.MIB
_CORRUPT_KEPT = 4
_NEVER = 1 << 62
# Entries grow old one by one, and each drop writes a segment anew.
AGE_INTERVAL_S = 60.0
WhenFull = Literal["stop", "drop_bulk"]


class Bounds(msgspec.Struct, frozen=True):
    """What the spool may hold, and what is done at a bound.

    `age_s`: of the oldest entry that is not delivered, by the wall clock; 0 is no bound. "stop":
    nothing more is read. "drop_bulk": the oldest bulk entries go; without any, as "stop".
    """

    bytes: int = limits.SPOOL_BYTES
    age_s: float = 0.0
    full: WhenFull = "stop"


class Spool:
    """One thread appends and releases, one reads and acknowledges."""

    def __init__(
        self,
        directory: Path,
        bounds: Bounds | int,
        metrics: Metrics,
        losses: Losses | None = None,
        clock: Clock | None = None,
    ) -> None:
        """`bounds`: bytes alone may be given as a number. Raises OSError."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = directory
        self._bounds = Bounds(bounds) if isinstance(bounds, int) else bounds
        self._segment_bytes = max(1, min(_SEGMENT_BYTES, self._bounds.bytes // 4))
        self._metrics = metrics
        self._losses = losses or Losses(directory.parent, metrics)
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._segments: list[Segment] = []
        self._writing: int | None = None
        self._readers = {lane: Reader(lane) for lane in (Lane.HOT, Lane.BULK)}
        self._too_old = False
        self._aged_s = float("-inf")
        self._source = ""
        self.sending = Sending()
        self._numbering, self._next_seq = ("", 0), 1
        self.next_entry = 1

    def recover(
        self,
        covered: int,
        acked: int,
        apply: Callable[[Note], None],
        acked_bulk: int = 1,
        source: str = "",
    ) -> bool:
        """Open what a former run left; `apply` gets the notes from entry `covered` on, in order.

        `source`: the agent whose spool it is. Returns False when something had to be set aside.
        Raises OSError.
        """
        for left in self._directory.glob("*.rewrite"):
            left.unlink()
        self._source = source
        self._readers[Lane.HOT].begin(min(acked, covered))
        self._readers[Lane.BULK].begin(min(max(acked_bulk, self._losses.dropped(source)), covered))
        self.next_entry = covered
        found = sorted(self._directory.glob("*.spool"))
        segments = [Segment(path, int(path.stem), path.stat().st_size) for path in found]
        intact = True
        for index, segment in enumerate(segments):
            following = segments[index + 1].first if index + 1 < len(segments) else None
            if not intact:
                self._set_aside(segment.path, 0)
                continue
            if following is None or following > covered:
                intact = self._scan(segment, following, covered, apply)
            else:
                segment.last = dict.fromkeys(segment.last, following - 1)
            if segment.size:
                self._segments.append(segment)
            elif segment.path.exists():
                segment.path.unlink()
        return intact

    def _scan(
        self, segment: Segment, following: int | None, covered: int, apply: Callable[[Note], None]
    ) -> bool:
        end = 0  # of the last whole piece
        piece: list[Entry] = []
        with segment.path.open("rb", buffering=0) as file:
            for after, entry in form.walk(file.fileno(), segment.size):
                if entry is None or (following is not None and entry.note.entry >= following):
                    break
                piece.append(entry)
                if not entry.note.more:
                    self._recovered(segment, piece, covered, apply)
                    end, piece = after, []
        whole = end == segment.size or self.next_entry == following
        if not whole:
            self._set_aside(segment.path, end)
        segment.size = end
        return whole

    def _recovered(
        self, segment: Segment, piece: list[Entry], covered: int, apply: Callable[[Note], None]
    ) -> None:
        self.sending.add([entry for entry in piece if entry.note.entry >= covered])
        for note in (entry.note for entry in piece):
            segment.holds(note)
            if note.entry >= covered:
                apply(note)
            self.next_entry = max(self.next_entry, note.entry + 1)

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
    def acked(self) -> int:
        """Everything of the hot lane below this entry is with the gateway."""
        return self._done(Lane.HOT)

    @property
    def acked_bulk(self) -> int:
        """Everything of the bulk lane below this entry is with the gateway or given up."""
        return self._done(Lane.BULK)

    def _done(self, lane: Lane) -> int:
        reader = self._readers[lane]
        with self._lock:
            waiting = any(segment.waits(reader) for segment in self._segments)
            return reader.acked if waiting else self.next_entry

    @property
    def size_bytes(self) -> int:
        """Bytes of all segments."""
        with self._lock:
            return sum(segment.size for segment in self._segments)

    def has_room(self, coming_bytes: int = 0) -> bool:
        """False at a bound: then nothing more is read."""
        return self._fits(coming_bytes) and not self._too_old

    def _fits(self, coming_bytes: int) -> bool:
        return self.size_bytes + coming_bytes < self._bounds.bytes

    def append(self, entries: Sequence[Entry]) -> None:
        """Keep entries, numbered from `next_entry` on; durable when this returns.

        Entries of one piece are given in one call. After an OSError none of them is kept and the
        segment is not written to again.
        """
        parts = [part for entry in entries for part in form.encode(entry)]
        try:
            segment, descriptor = self._open_segment()
            size = form.write(descriptor, parts)
            os.fdatasync(descriptor)
        except OSError:
            self._abandon()
            raise
        with self._lock:
            segment.size += size
            for entry in entries:
                segment.holds(entry.note)
            self.next_entry = entries[-1].note.entry + 1
            self._next_seq = entries[-1].note.seq + 1
        self.sending.add(entries)

    def _open_segment(self) -> tuple[Segment, int]:
        if self._writing is not None and self._segments[-1].size >= self._segment_bytes:
            self.close()
        if self._writing is None:
            path = self._directory / f"{self.next_entry:016d}.spool"
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
            self._writing = os.open(path, flags, 0o600)
            with self._lock:
                self._segments.append(Segment(path, self.next_entry, 0))
            sync_directory(self._directory)
        return self._segments[-1], self._writing

    def _abandon(self) -> None:
        if self._writing is None:
            return
        with contextlib.suppress(OSError):
            os.ftruncate(self._writing, self._segments[-1].size)
        with contextlib.suppress(OSError):
            self.close()
        with self._lock:
            if self._segments[-1].size == 0:
                dead = self._segments.pop()
                with contextlib.suppress(OSError):
                    dead.path.unlink()

    def read(self, max_bytes: int, max_entries: int, lane: Lane = Lane.HOT) -> list[Entry]:
        """The next durable entries of a lane, at least one if there is any; moves on.

        `lane`: HOT (with BOTH) or BULK. Skips what is acknowledged, and what is corrupt, which it
        counts. Raises OSError.
        """
        reader = self._readers[lane]
        found: list[Entry] = []
        size = 0
        with reader.lock, contextlib.closing(reader):
            while size < max_bytes and len(found) < max_entries:
                entry = self._next(reader)
                if entry is None:
                    break
                reader.handed.append((entry.note.entry, reader.place))
                reader.number = entry.note.entry + 1
                found.append(entry)
                size += len(entry.frame)
        return found

    def ack(self, entry: int, lane: Lane = Lane.HOT) -> None:
        """The gateway has `entry` and all before it of the lane."""
        reader = self._readers[lane]
        with reader.lock:
            reader.acked = entry + 1
            while reader.handed and reader.handed[0][0] <= entry:
                reader.safe = reader.handed.popleft()[1]

    def rewind(self, lane: Lane) -> None:
        """What was read and not acknowledged is read again."""
        reader = self._readers[lane]
        with reader.lock:
            reader.place, reader.number = reader.safe, reader.acked
            reader.handed.clear()

    def _next(self, reader: Reader) -> Entry | None:
        """The lane's next entry; `place` is after it. The caller closes the reader."""
        while found := self._open(reader):
            segment, offset, end, following = found
            entry, after = form.read(reader.descriptor, offset, end)
            if entry is None:
                self._metrics.add("tailrace_agent_spool_corrupt_total")
                _log.error("spooled frames are damaged", extra={"path": str(segment.path)})
            elif entry.note.entry >= following:
                entry, after = None, end
            reader.place = Place(reader.place.first, reader.place.version, after)
            if entry and entry.note.entry >= reader.number and lane_of(entry.note) is reader.lane:
                return entry
        return None

    def _open(self, reader: Reader) -> tuple[Segment, int, int, int] | None:
        """The segment of the lane's next entry, open: itself, offset, end, number after."""
        with self._lock:
            for index, segment in enumerate(self._segments):
                behind = segment.first < reader.place.first
                if behind or segment.last[reader.lane] < reader.number:
                    continue
                here = (segment.first, segment.version) == reader.place[:2]
                offset = reader.place.offset if here else 0
                if offset < segment.size:
                    reader.place = Place(segment.first, segment.version, offset)
                    reader.open(segment)
                    rest = self._segments[index + 1 : index + 2]
                    return segment, offset, segment.size, rest[0].first if rest else _NEVER
            if not reader.handed:
                reader.acked = reader.number = self.next_entry
        return None

    def oldest_ns(self) -> int:
        """When the oldest entry was read that is not with a gateway, UTC; 0 without one."""
        times = [self._oldest_ns(reader) for reader in self._readers.values()]
        return min((time for time in times if time), default=0)

    def _oldest_ns(self, reader: Reader) -> int:
        header = self._oldest(reader)
        return header.received_ns if header else 0

    def _oldest(self, reader: Reader) -> Header | None:
        """Of the lane's first entry that no gateway has. Raises OSError."""
        with reader.lock:
            with self._lock:
                if not any(segment.waits(reader) for segment in self._segments):
                    return None
            if reader.oldest is None or reader.oldest[0] != reader.acked:
                kept = reader.place, reader.number
                reader.place, reader.number = reader.safe, reader.acked
                with contextlib.closing(reader):
                    entry = self._next(reader)
                reader.place, reader.number = kept
                if entry is None:
                    return None
                reader.oldest = (reader.acked, frames.header(entry.frame))
            return reader.oldest[1]

    def numbered(self, source: str, epoch: int, next_seq: int) -> None:
        """After `recover`: who numbers the frames that come, and the first of them."""
        self._numbering, self._next_seq = (source, epoch), next_seq

    def settled(self) -> tuple[int, int] | None:
        """The number below which no frame waits, and that of the next frame.

        Each frame below the first is with a gateway, among the losses, or was damaged here. None
        while frames of an older epoch or of another source wait. Raises OSError.
        """
        with self._lock:
            next_seq = before_seq = self._next_seq
        for reader in self._readers.values():
            if (header := self._oldest(reader)) is not None:
                if (header.source, header.epoch) != self._numbering:
                    return None
                before_seq = min(before_seq, header.seq)
        return before_seq, next_seq

    def settled_before(self, source: str, epoch: int, next_seq: int) -> int:
        """The same for how frames were numbered before, up to `next_seq`; 0 while any wait that are
        older still. Raises OSError."""
        before_seq = next_seq
        for reader in self._readers.values():
            if (header := self._oldest(reader)) is not None:
                if (header.source, header.epoch) == (source, epoch):
                    before_seq = min(before_seq, header.seq)
                elif (header.source, header.epoch) != self._numbering:
                    return 0
        return before_seq

    def release(self, covered: int) -> None:
        """Delete what both lanes are done with below the entry `covered`, then keep to the bounds.

        Raises OSError.
        """
        self._delete(covered)
        self._keep_to_bounds(covered)
        oldest_ns = self.oldest_ns()
        age_s = (self._clock.wall_ns() - oldest_ns) / 1e9 if oldest_ns else 0.0
        self._metrics.set("tailrace_agent_spool_age_seconds", max(0.0, age_s))

    def _delete(self, covered: int) -> None:
        with self._lock:
            while self._segments:
                segment, *rest = self._segments[:2]
                end = rest[0].first if rest else self.next_entry
                if end > covered or any(segment.waits(r) for r in self._readers.values()):
                    return
                if not rest and self._writing is not None:
                    if segment.size < self._segment_bytes:
                        return
                    self.close()
                segment.path.unlink(missing_ok=True)
                self._segments.pop(0)

    def _keep_to_bounds(self, covered: int) -> None:
        hot, bulk = self._readers[Lane.HOT], self._readers[Lane.BULK]
        dropping = self._bounds.full == "drop_bulk"
        room = self._segment_bytes // 4  # so that not every few bytes cost a segment
        while dropping and not self._fits(room) and self._drop(covered, SPOOL_FULL, _NEVER):
            self._delete(covered)
        if not self._bounds.age_s:
            return
        before_ns = self._clock.wall_ns() - int(self._bounds.age_s * 1e9)
        if dropping and self._clock.monotonic_s() - self._aged_s >= AGE_INTERVAL_S:
            self._aged_s = self._clock.monotonic_s()
            while 0 < self._oldest_ns(bulk) < before_ns:
                if not self._drop(covered, SPOOL_AGE, before_ns):
                    break
                self._delete(covered)
        waiting = [hot] if dropping else [hot, bulk]
        self._too_old = any(0 < self._oldest_ns(reader) < before_ns for reader in waiting)

    def _drop(self, covered: int, reason: str, before_ns: int) -> bool:
        """Give up bulk entries of the oldest segment that has any which were read before then.

        False when there are none, some are being sent, or a full disk does not let it.
        """
        bulk = self._readers[Lane.BULK]
        with bulk.lock:
            while not bulk.handed and (found := self._oldest_of(bulk)):
                segment, following = found
                if following > covered:
                    break
                if segment is self._segments[-1]:
                    self.close()
                acked = {lane: reader.acked for lane, reader in self._readers.items()}
                now_ns = self._clock.wall_ns()
                chosen = Dropping(acked, following, before_ns, reason, now_ns)
                try:
                    self._rewrite(segment, chosen)
                except OSError as error:
                    _log.error("the spool cannot be made smaller", extra={"why": str(error)})
                    break
                if chosen.lost:
                    return True
                if chosen.young:
                    break
        return False

    def _oldest_of(self, reader: Reader) -> tuple[Segment, int] | None:
        """The first segment that the lane waits in, and the number after it."""
        with self._lock:
            for index, segment in enumerate(self._segments):
                if segment.waits(reader):
                    rest = self._segments[index + 1 : index + 2]
                    return segment, rest[0].first if rest else self.next_entry
        return None

    def _rewrite(self, segment: Segment, chosen: Dropping) -> None:
        """Replace the segment by what is kept of it, and remember what is lost. Raises OSError."""
        target = segment.path.with_suffix(".rewrite")
        try:
            size = rewrite(segment.path, segment.size, target, chosen.keep)
            if chosen.lost:
                self._losses.add(chosen.lost, self._source, chosen.upto)
                self._readers[Lane.BULK].begin(chosen.upto)
        except OSError:
            target.unlink(missing_ok=True)
            raise
        with self._lock:
            target.replace(segment.path)
            segment.size, segment.last = size, chosen.last
            segment.version += 1
        sync_directory(self._directory)

    def close(self) -> None:
        """Close the segment being written."""
        if self._writing is not None:
            descriptor, self._writing = self._writing, None
            os.close(descriptor)
