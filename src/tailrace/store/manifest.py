"""The archive's manifest: which Parquet files count, in one append-only file.

Layout: a line of checked.py for each archive step. A step is in the archive from the moment its
line is synced. Recovery: a last line that is torn, so without its end, is cut off; any other broken
line is refused by name, since files that nobody lists would be deleted as left over.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import msgspec

from tailrace.core.contracts import Position
from tailrace.core.disk import sync_directory
from tailrace.core.errors import Corrupt
from tailrace.store import checked


class ArchiveFile(msgspec.Struct, frozen=True):
    """One Parquet file: its path under the archive, rows, bytes and event time bounds (ns)."""

    path: str
    tenant: str
    rows: int
    bytes: int
    first_ns: int
    last_ns: int


class Step(msgspec.Struct, frozen=True):
    """One archive step: everything in the queue before `upto` is archived. `received_ns`: when the
    last of its frames came in, UTC; 0 in lines of before this was recorded."""

    upto: Position
    rows: int
    frames: int
    files: list[ArchiveFile]
    received_ns: int = 0


class Manifest:
    """Reads at once, appends durably. Blocking; call it off the event loop."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._end = 0
        self.steps: list[Step] = []
        if path.exists():
            self._load()

    def _load(self) -> None:
        good = 0
        data = self._path.read_bytes()
        lines = data.splitlines(keepends=True)
        for number, line in enumerate(lines, 1):
            step = checked.parse(line, Step)
            if step is None:
                if number < len(lines) or line.endswith(b"\n"):
                    raise Corrupt(
                        f"{self._path} line {number} fails its checksum; restore the file from a "
                        "backup, or move the archive aside"
                    )
                break
            self.steps.append(step)
            good += len(line)
        self._end = good
        if good < len(data):
            with self._path.open("r+b") as file:
                file.truncate(good)
                os.fsync(file.fileno())

    @property
    def upto(self) -> Position:
        """The place in the queue up to which everything is archived."""
        return self.steps[-1].upto if self.steps else Position(0, 0)

    def append(self, step: Step) -> None:
        """Add a step; returns when it is on disk. Raises OSError; then it is not added."""
        line = checked.line(step)
        with self._path.open("ab", buffering=0) as file:
            # What an append left that failed half-way, on a full disk.
            file.truncate(self._end)
            if file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())
        sync_directory(self._path.parent)
        self._end += len(line)
        self.steps.append(step)

    def paths(self) -> set[str]:
        """Every file that counts."""
        return {file.path for step in self.steps for file in step.files}
