"""Dead letters: frames that can never be processed, kept with the reason.

One segment file of ordinary records; the reason is the resource attribute `tailrace.dead_letter`.
Bounded: at the bound, `add` is Busy and the frame stays where it is.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from tailrace.core.errors import Busy
from tailrace.core.frame import Frame
from tailrace.core.metrics import Metrics
from tailrace.queue import record, segment
from tailrace.queue.files import FileSystem

REASON = "tailrace.dead_letter"


class DeadLetters:
    """Blocking; called on the queue's disk thread."""

    def __init__(self, directory: Path, files: FileSystem, metrics: Metrics, limit: int) -> None:
        self._directory = directory
        self._files = files
        self._metrics = metrics
        self._limit = limit
        self._path = segment.path_of(directory, 1)

    def open(self) -> None:
        """Create the file, or cut its torn tail."""
        self._files.make_directory(self._directory)
        if self._path.name not in self._files.names(self._directory):
            self._files.create(self._path)
            return
        whole = segment.whole_bytes(self._files, self._path)
        if whole < self._files.size(self._path):
            self._files.truncate(self._path, whole)

    def add(self, frame: Frame, reason: str) -> None:
        """Keep a frame, durably."""
        resource = {**frame.header.resource, REASON: reason}
        header = msgspec.structs.replace(frame.header, resource=resource)
        data = record.encode(Frame(header, frame.payload))
        if self._files.size(self._path) + len(data) > self._limit:
            raise Busy("the dead letters are full; look at them and remove what is not needed")
        self._files.append(self._path, data)
        self._files.sync(self._path)
        self._metrics.add("tailrace_dead_letters_total")
