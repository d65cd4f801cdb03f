"""Dead letters: frames that can never be processed, and records whose bytes broke.

They stand in segments like the queue's own (see `segment.py`), in the folder `dead/`. A record's
header is the msgpack of `Letter`; its payload is the frame's payload, or the broken bytes as they
were found. The folder is bounded: when it is full nothing is dropped, `Busy` is raised. Deleting
old segment files by hand, with the server stopped, makes room.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from tailrace.core.contracts import Position
from tailrace.core.errors import Busy
from tailrace.core.frame import Header
from tailrace.queue.appender import Appender, Entry
from tailrace.queue.files import FileSystem
from tailrace.queue.record import Record, encoded_bytes
from tailrace.queue.segment import Extent, numbers_in, path_of, recover, scan

RETRY_S = 30.0


class Letter(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why and when (UTC nanoseconds); the frame's header, or where broken bytes stood."""

    reason: str
    buried_ns: int
    header: Header | None = None
    found: Position | None = None


class DeadLetters:
    """The folder `dead/`. Blocking; used from one worker thread."""

    def __init__(
        self, files: FileSystem, directory: Path, segment_bytes: int, limit_bytes: int
    ) -> None:
        self._files = files
        self._directory = directory
        self._limit_bytes = limit_bytes
        self._segment_bytes = segment_bytes
        self._sealed_bytes = 0
        self._active = Extent(0, 0)
        self._appender: Appender | None = None

    def open(self) -> None:
        """Find what is there. Raises OSError."""
        self._files.mkdir(self._directory)
        numbers = numbers_in(self._files, self._directory)
        if numbers:
            recover(self._files, self._directory, numbers[-1])
        self._sealed_bytes = self._stored_bytes()
        following = max(numbers, default=0) + 1
        self._appender = Appender(self._files, self._directory, self._segment_bytes, following)

    def bury(self, letter: Letter, payload: bytes) -> None:
        """Keep a letter, durably. Raises Busy when there is no room or the disk refuses."""
        assert self._appender is not None, "open first"
        entry: Entry = (msgspec.msgpack.encode(letter), payload)
        if self.size_bytes + encoded_bytes(*entry) > self._limit_bytes:
            raise Busy(
                f"dead letters would pass {self._limit_bytes} bytes; empty the folder dead/ "
                "or raise queue.dead_letter_size",
                RETRY_S,
            )
        try:
            extent = self._appender.append([entry])
        except OSError as error:
            raise Busy(f"dead letter not written: {error.strerror}", RETRY_S) from error
        if extent.number != self._active.number:
            self._sealed_bytes += self._active.end
        self._active = extent

    @property
    def size_bytes(self) -> int:
        """Bytes of all dead letters."""
        return self._sealed_bytes + self._active.end

    def close(self) -> None:
        if self._appender is not None:
            self._appender.close()

    def _stored_bytes(self) -> int:
        numbers = numbers_in(self._files, self._directory)
        return sum(self._files.size(path_of(self._directory, number)) for number in numbers)


def letters(files: FileSystem, directory: Path) -> Iterator[tuple[Letter, bytes]]:
    """All readable dead letters of the folder, oldest first. Blocking; raises OSError."""
    for number in numbers_in(files, directory):
        extent = Extent(number, files.size(path_of(directory, number)))
        for item in scan(files, directory, extent, extent.start_after(Position(0, 0))):
            if isinstance(item, Record):
                yield msgspec.msgpack.decode(item.header, type=Letter), item.payload
