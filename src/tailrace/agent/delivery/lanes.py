"""What the spool knows of its segments, and how far each lane is in them."""

from __future__ import annotations

import os
import threading
from collections import deque
from pathlib import Path
from typing import NamedTuple

from tailrace.agent.delivery.entries import Note, lane_of
from tailrace.core.frame import Header, Lane


class Segment:
    """`last`: of each lane, a number that none of its entries here is above. `size`: durable bytes;
    a reader goes no further. `version` grows when the file is written anew."""

    def __init__(self, path: Path, first: int, size: int) -> None:
        self.path = path
        self.first = first
        self.size = size
        self.version = 0
        self.last = {Lane.HOT: 0, Lane.BULK: 0}

    def holds(self, note: Note) -> None:
        lane = lane_of(note)
        self.last[lane] = max(self.last[lane], note.entry)

    def waits(self, reader: Reader) -> bool:
        return self.last[reader.lane] >= reader.acked


class Place(NamedTuple):
    first: int = 0  # of the segment
    version: int = 0
    offset: int = 0


class Reader:
    """One lane: read up to `place` and `number`, acknowledged up to `safe` and `acked`.
    `descriptor`: of the segment that is being read. `oldest`: what was acknowledged, and the header
    of the next entry, when it was looked at."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.lock = threading.Lock()  # taken before the spool's own
        self.descriptor = -1
        self._opened = (0, 0)
        self.begin(1)

    def open(self, segment: Segment) -> None:
        """Read this one, which may be open already. Raises OSError."""
        wanted = (segment.first, segment.version)
        if self.descriptor < 0 or self._opened != wanted:
            self.close()
            self.descriptor = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)
            self._opened = wanted

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def begin(self, acked: int) -> None:
        self.acked = self.number = acked
        self.place = self.safe = Place()
        self.handed: deque[tuple[int, Place]] = deque()
        self.oldest: tuple[int, Header] | None = None
