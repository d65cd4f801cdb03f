"""Dead letters: frames that can never be processed, and records whose bytes broke.

    dead/
      000000000007.seg ...     letters, in segments like the queue's own, see segment.py
      gone/                    notes of letters that are gone, see gone.py

A record's header is the msgpack of `Letter`; its payload is the frame's payload, or the broken
bytes as they were found. A letter is named by the place where it was buried first. It is gone once
there is a note of that; a segment whose letters are all gone is deleted, and one of which more than
half is gone has the others appended anew, with their ids, and is deleted then. The newest segment
stays, for its number must not be given out again; a note is forgotten only when no segment has its
letter any more.

A frame is kept once for each lane: buried again it takes the place of its letters of before. What a
crash leaves twice stays so until then, for after a sync that failed any of them may be in the page
cache alone; of a letter that was being moved the copy does not count. The folder is bounded in
bytes and letters: when it is full nothing is dropped, `Busy` is raised.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from tailrace.core import limits
from tailrace.core.contracts import Position
from tailrace.core.errors import Busy
from tailrace.core.log import get
from tailrace.queue.appender import Appender, Entry
from tailrace.queue.files import FileSystem
from tailrace.queue.gone import Gone, Notes, Why
from tailrace.queue.letter import DAMAGED, Kept, Letter, Whose, kept
from tailrace.queue.record import PAYLOAD_LIMIT_BYTES, Damage, Record, encoded_bytes, heads
from tailrace.queue.segment import HEAD_BYTES, Extent, numbers_in, path_of, recover, scan

__all__ = ["DeadLetters", "Letter", "letters"]

_log = get("queue")
RETRY_S = 30.0
# Letters that are moved at once: of one write and one sync.
_MOVED_BYTES = 4 * limits.MIB
_decoder = msgspec.msgpack.Decoder(Letter)


class _Segment(msgspec.Struct):
    """Bytes of the file, and of its letters that are not gone; the ids of all."""

    size: int = HEAD_BYTES
    live_bytes: int = 0
    ids: set[Position] = msgspec.field(default_factory=set)

    @property
    def gone_bytes(self) -> int:
        return self.size - HEAD_BYTES - self.live_bytes


class DeadLetters:
    """The folder `dead/`. Blocking; used from one worker thread, but for `kept`."""

    def __init__(
        self, files: FileSystem, directory: Path, segment_bytes: int, limit_bytes: int
    ) -> None:
        self._files = files
        self._directory = directory
        self._limit_bytes = limit_bytes
        self._segment_bytes = segment_bytes
        self._notes = Notes(files, directory)
        self._segments: dict[int, _Segment] = {}
        self._live: dict[Position, Kept] = {}
        self._frames: dict[Whose, list[Position]] = {}
        self._stuck: set[int] = set()
        self._appender: Appender | None = None

    def open(self) -> None:
        """Find what is there. Raises OSError."""
        self._files.mkdir(self._directory)
        numbers = numbers_in(self._files, self._directory)
        if numbers:
            recover(self._files, self._directory, numbers[-1])
        self._notes.open()
        for number in numbers:
            self._index(number)
        following = max(*numbers, self._notes.newest, 0) + 1
        self._appender = Appender(self._files, self._directory, self._segment_bytes, following)

    def bury(self, letter: Letter, payload: bytes) -> Position:
        """Keep a letter, durably; its id. Raises Busy when there is no room or the disk refuses."""
        entry: Entry = (msgspec.msgpack.encode(letter), payload)
        size = encoded_bytes(*entry)
        if (there := self._found_before(letter, payload)) is not None:
            return there.id
        one = kept(letter, Position(0, 0), size)
        before = [self._live[id_] for id_ in self._frames.get(one.whose, ())] if one.whose else []
        if not before and len(self._live) >= limits.DEAD_LETTERS:
            raise _full(f"there are {limits.DEAD_LETTERS} dead letters")
        self._make_room(size - sum(one.stored_bytes for one in before))
        try:
            (at,) = self._append([entry])
        except OSError as error:
            raise Busy(f"dead letter not written: {error.strerror}", RETRY_S) from error
        self._add(kept(letter, at, at.offset + size))
        with contextlib.suppress(Busy):  # where there can be no note, they stay beside it
            self.remove([gone(one, Why.REPLACED, letter.buried_ns) for one in before])
        return at

    def kept(self) -> list[Kept]:
        """Letters that are not gone, as they were buried. From any thread."""
        return sorted(list(self._live.values()), key=lambda one: one.id)

    def find(self, id_: Position) -> Kept | None:
        """From any thread; None where there is none or it is gone."""
        return self._live.get(id_)

    def read(self, one: Kept) -> tuple[Letter, bytes]:
        """A letter and its payload; of one that is damaged, what stands there. Raises OSError."""
        now = self._live.get(one.id, one)
        damaged = Letter(DAMAGED, now.buried_ns)
        try:
            extent = Extent(now.at.segment, now.end)
            item = next(scan(self._files, self._directory, extent, now.at.offset))
            if isinstance(item, Record):
                with contextlib.suppress(msgspec.MsgspecError):
                    return _decoder.decode(item.header), item.payload
            length = min(now.stored_bytes, PAYLOAD_LIMIT_BYTES)
            path = path_of(self._directory, now.at.segment)
            return damaged, self._files.read(path, now.at.offset, length)
        except FileNotFoundError:
            return damaged, b""  # somebody deleted the segment

    def remove(self, notes: Sequence[Gone]) -> int:
        """Letters are gone, durably, when it returns; how many were not before. Raises Busy when
        the disk refuses; then any of them may be gone after a crash."""
        fresh = list({note.id: note for note in notes if self._is_live(note)}.values())
        try:
            self._notes.write(fresh)
        except OSError as error:
            raise Busy(f"dead letters not removed: {error.strerror}", RETRY_S) from error
        for note in fresh:
            self._take(self._live.pop(note.id))
        if fresh:
            self._tidy()
        return len(fresh)

    @property
    def size_bytes(self) -> int:
        """Bytes of all segments."""
        return sum(segment.size for segment in self._segments.values())

    @property
    def live_bytes(self) -> int:
        """Bytes of all letters that are not gone."""
        return sum(segment.live_bytes for segment in list(self._segments.values()))

    def __len__(self) -> int:
        return len(self._live)

    def close(self) -> None:
        if self._appender is not None:
            self._appender.close()
        self._notes.close()

    # What is known of segments and letters.

    def _index(self, number: int) -> None:
        try:
            size = self._files.size(path_of(self._directory, number))
        except FileNotFoundError:
            return  # not even its head was finished
        segment = self._segments[number] = _Segment(size)
        for item in scan(self._files, self._directory, Extent(number, size), HEAD_BYTES, heads):
            one = _indexed(item, number)
            segment.ids.add(one.id)
            known = (one.id, one.buried_ns) in self._notes or one.id in self._live
            if not known and one.stored_bytes > 0:
                self._add(one)

    def _add(self, one: Kept) -> None:
        """Know a letter, or where it was moved to."""
        if moved := self._live.get(one.id):
            self._segments[moved.at.segment].live_bytes -= moved.stored_bytes
        elif one.whose is not None:
            self._frames.setdefault(one.whose, []).append(one.id)
        self._live[one.id] = one
        segment = self._segments[one.at.segment]
        segment.ids.add(one.id)
        segment.live_bytes += one.stored_bytes

    def _found_before(self, letter: Letter, payload: bytes) -> Kept | None:
        """The same broken bytes of the same place: who reads the queue again meets them again."""
        if letter.found is None:
            return None
        for one in list(self._live.values()):
            if one.found == letter.found and self.read(one)[1] == payload:
                return one
        return None

    def _is_live(self, note: Gone) -> bool:
        one = self._live.get(note.id)
        return one is not None and one.buried_ns == note.buried_ns

    def _take(self, one: Kept) -> None:
        self._segments[one.at.segment].live_bytes -= one.stored_bytes
        if one.whose is not None:
            self._frames[one.whose].remove(one.id)
            if not self._frames[one.whose]:
                del self._frames[one.whose]

    # Room.

    def _append(self, entries: Sequence[Entry]) -> list[Position]:
        """Durably; where they stand. Raises OSError."""
        assert self._appender is not None, "open first"
        extent = self._appender.append(entries)
        self._segments.setdefault(extent.number, _Segment()).size = extent.end
        places, end = list[Position](), extent.end
        for entry in reversed(entries):
            end -= encoded_bytes(*entry)
            places.append(Position(extent.number, end))
        return places[::-1]

    def _make_room(self, size: int) -> None:
        """Let go of what is gone until there is room. Raises Busy."""
        heads_bytes = HEAD_BYTES * len(self._segments)
        if self.live_bytes + heads_bytes + size > self._limit_bytes:
            raise _full(f"dead letters would pass {self._limit_bytes} bytes")
        while self.size_bytes + size > self._limit_bytes:
            movable = self._segments.keys() - self._stuck
            number = max(movable, key=lambda n: self._segments[n].gone_bytes, default=0)
            if not number or not self._segments[number].gone_bytes:
                raise _full(f"dead letters would pass {self._limit_bytes} bytes")
            try:
                self._compact(number)
            except OSError as error:
                raise Busy(f"dead letters not moved: {error.strerror}", RETRY_S) from error

    def _tidy(self) -> None:
        """Delete segments without letters, and move the letters of those that are mostly gone."""
        for number in [one for one in list(self._segments) if self._pays(one)]:
            try:
                self._compact(number)
            except OSError as error:
                _log.warning("what is gone still takes room", extra={"error": error.strerror})
        if self._notes.due:
            with contextlib.suppress(OSError):
                self._notes.tidy({id_ for one in self._segments.values() for id_ in one.ids})

    def _pays(self, number: int) -> bool:
        """Whether what is gone of a segment is worth writing the rest anew."""
        segment, newest = self._segments[number], number == max(self._segments)
        if not segment.live_bytes:
            return not newest or segment.size > HEAD_BYTES
        few = newest and segment.size <= self._segment_bytes // 2
        return not few and number not in self._stuck and segment.gone_bytes > segment.live_bytes

    def _compact(self, number: int) -> None:
        """Move what is left of a segment and delete it; it is stuck where a letter is damaged.
        Raises OSError."""
        if number == max(self._segments):
            assert self._appender is not None
            self._segments[self._appender.rotate().number] = _Segment()
        left = [one for one in self.kept() if one.at.segment == number]
        if not self._move(left):
            self._stuck.add(number)
            return
        with contextlib.suppress(FileNotFoundError):
            self._files.remove(path_of(self._directory, number))
        # Else its letters may be there again after a power cut, without their notes.
        self._files.fsync_dir(self._directory)
        del self._segments[number]

    def _move(self, left: Sequence[Kept]) -> bool:
        """Append letters anew, under their ids. False when one of them is damaged."""
        entries, moved, size = list[Entry](), list[Kept](), 0
        for one in left:
            letter, payload = self.read(one)
            if letter.reason == DAMAGED:
                return False
            letter = msgspec.structs.replace(letter, origin=one.id)
            entries.append((msgspec.msgpack.encode(letter), payload))
            moved.append(one)
            size += encoded_bytes(*entries[-1])
            if size >= _MOVED_BYTES or one is left[-1]:
                self._moved(moved, entries)
                entries, moved, size = [], [], 0
        return True

    def _moved(self, moved: Sequence[Kept], entries: Sequence[Entry]) -> None:
        for one, at, entry in zip(moved, self._append(entries), entries, strict=True):
            end = at.offset + encoded_bytes(*entry)
            self._add(msgspec.structs.replace(one, at=at, end=end))


def gone(one: Kept, why: Why, at_ns: int) -> Gone:
    """A note that a letter is gone."""
    return Gone(
        one.id, one.buried_ns, why, at_ns, one.tenant, one.source, one.epoch, one.seq
    )  # fmt: skip


def letters(files: FileSystem, directory: Path) -> Iterator[tuple[Letter, bytes]]:
    """All readable letters of the folder, those that are gone too while their segment is there,
    oldest first. Blocking; raises OSError."""
    for number in numbers_in(files, directory):
        extent = Extent(number, files.size(path_of(directory, number)))
        for item in scan(files, directory, extent, extent.start_after(Position(0, 0))):
            if isinstance(item, Record):
                yield _decoder.decode(item.header), item.payload


def _indexed(item: Record | Damage, number: int) -> Kept:
    at = Position(number, item.start)
    with contextlib.suppress(msgspec.MsgspecError):
        if isinstance(item, Record):
            return kept(_decoder.decode(item.header), at, item.end)
    return Kept(at, at, item.end, DAMAGED, 0)


def _full(why: str) -> Busy:
    message = (
        f"{why}; `tailrace deadletters replay` or `drop` makes room, or queue.dead_letter_size"
    )
    return Busy(message, RETRY_S)
