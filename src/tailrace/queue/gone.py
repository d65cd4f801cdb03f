"""Notes of dead letters that are gone, in segments of their own (see `segment.py`) in `dead/gone/`.

A record's header is the msgpack of `Gone`; its payload is empty. A note is needed while a segment
of letters has its letter, and of those that were dropped the last `DEAD_LETTERS_KNOWN` are kept
after that, so that their frames are not taken for lost. When most notes are needed no more, those
that are, are written into a new segment and the older ones deleted; a crash in between leaves notes
twice, which is the same as once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from enum import StrEnum
from pathlib import Path

import msgspec

from tailrace.core import limits
from tailrace.core.contracts import Position
from tailrace.queue.appender import Appender, Entry
from tailrace.queue.files import FileSystem, remove_quietly
from tailrace.queue.record import Record
from tailrace.queue.segment import Extent, numbers_in, path_of, recover, scan

FOLDER = "gone"
SEGMENT_BYTES = limits.MIB
# Fewer notes than these are not worth writing anew.
_FEW = 1_000


class Why(StrEnum):
    """DROPPED: somebody said so. REPLAYED: its frame is in the queue. REPLACED: the same frame was
    buried again."""

    DROPPED = "dropped"
    REPLAYED = "replayed"
    REPLACED = "replaced"


class Gone(msgspec.Struct, frozen=True, omit_defaults=True):
    """The letter `id` that was buried at `buried_ns` is gone. `tenant` to `seq` name its frame,
    where it was one."""

    id: Position
    buried_ns: int
    why: Why
    at_ns: int
    tenant: str = ""
    source: str = ""
    epoch: int = 0
    seq: int = 0

    @property
    def key(self) -> Key:
        """Which letter."""
        return (self.id, self.buried_ns)


Key = tuple[Position, int]
"""Which letter: its id and when it was buried, so that a note is of no other with that id."""
_START = Position(0, 0)

_decoder = msgspec.msgpack.Decoder(Gone)


class Notes:
    """The folder `dead/gone/`. Blocking; used from one worker thread."""

    def __init__(self, files: FileSystem, directory: Path) -> None:
        self._files = files
        self._directory = directory / FOLDER
        self._notes: dict[Key, Gone] = {}
        self._written = 0
        self._needed = 0
        self._appender: Appender | None = None

    def open(self) -> None:
        """Read them. Raises OSError."""
        self._files.mkdir(self._directory)
        numbers = numbers_in(self._files, self._directory)
        if numbers:
            recover(self._files, self._directory, numbers[-1])
        for _, note in notes_in(self._files, self._directory):
            self._notes[note.key] = note
            self._written += 1
        following = max(numbers, default=0) + 1
        self._appender = Appender(self._files, self._directory, SEGMENT_BYTES, following)

    def __contains__(self, key: object) -> bool:
        return key in self._notes

    def __len__(self) -> int:
        return len(self._notes)

    @property
    def newest(self) -> int:
        """The highest segment of a letter that there is a note of; 0 where there is none."""
        return max((one.segment for one, _ in self._notes), default=0)

    @property
    def due(self) -> bool:
        """Whether it pays to look which of them are needed no more."""
        return self._written > 2 * self._needed + _FEW

    def write(self, gone: Sequence[Gone]) -> None:
        """Durably. Raises OSError; then any of them may be kept."""
        assert self._appender is not None, "open first"
        if gone:
            self._appender.append([_entry(note) for note in gone])
            self._notes.update({note.key: note for note in gone})
            self._written += len(gone)

    def tidy(self, there: Collection[Position]) -> None:
        """Forget those that are needed no more; `there` are the ids that segments still have, gone
        or not. Raises OSError; then nothing is forgotten."""
        dropped = [key for key, note in self._notes.items() if note.why is Why.DROPPED]
        remembered = set(dropped[-limits.DEAD_LETTERS_KNOWN :])
        needed = {
            key: note for key, note in self._notes.items() if key in remembered or note.id in there
        }
        self._needed = len(needed)
        if self.due:
            self._write_anew(list(needed.values()))
            self._notes = needed

    def _write_anew(self, needed: Sequence[Gone]) -> None:
        assert self._appender is not None
        older = numbers_in(self._files, self._directory)
        self._appender.rotate()
        if needed:
            self._appender.append([_entry(note) for note in needed])
        for number in older:
            remove_quietly(self._files, path_of(self._directory, number))
        self._written = len(needed)

    def close(self) -> None:
        if self._appender is not None:
            self._appender.close()


def notes_in(
    files: FileSystem, directory: Path, after: Position = _START
) -> Iterator[tuple[Position, Gone]]:
    """The notes in the folder `gone/` behind a place, oldest first, each with the place behind it.

    What is damaged is left out: then its letter is there again. Raises OSError.
    """
    for number in numbers_in(files, directory):
        if number < after.segment:
            continue
        try:
            extent = Extent(number, files.size(path_of(directory, number)))
            for item in scan(files, directory, extent, extent.start_after(after)):
                if isinstance(item, Record) and (note := _decoded(item.header)) is not None:
                    yield Position(number, item.end), note
        except FileNotFoundError:
            continue  # written anew meanwhile, into a later one


def _entry(note: Gone) -> Entry:
    return msgspec.msgpack.encode(note), b""


def _decoded(header: bytes) -> Gone | None:
    try:
        return _decoder.decode(header)
    except msgspec.MsgspecError:
        return None
