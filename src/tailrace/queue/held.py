"""What is in the queue at one moment, readable for as long as it is held.

Each file is held open, so that it stays readable when the queue deletes it, and is read no further
than it was durable at that moment. Nothing is written, so a crash leaves nothing.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tailrace.core import limits
from tailrace.core.errors import StoreError
from tailrace.queue.segment import Extent, path_of

# Where positions, dead letters and notes of those that are gone are, under the queue's directory.
_FOLDERS = ("consumers", "dead", "dead/gone")


class HeldFile(NamedTuple):
    """A file by its path under the queue's directory: an open descriptor, and how many bytes of it
    count."""

    path: str
    descriptor: int
    bytes: int


class Held:
    """Segments, positions and dead letters. Blocking; `close` it."""

    def __init__(self, files: Sequence[HeldFile]) -> None:
        self.files = tuple(files)

    def close(self) -> None:
        """Let the files go. Idempotent."""
        files, self.files = self.files, ()
        for file in files:
            os.close(file.descriptor)


def hold(directory: Path, extents: Sequence[Extent]) -> Held:
    """What is in `directory` while nobody writes there. `extents`: its segments, and how far each
    counts; those that are gone by now were read by all.

    Raises StoreError where there are more files than QUEUE_FILES_HELD, OSError; then nothing is
    held.
    """
    ends = {path_of(directory, one.number).name: one.end for one in extents}
    wanted = [*_beside(directory), *ends]
    if len(wanted) > limits.QUEUE_FILES_HELD:
        raise StoreError(
            f"the queue has {len(wanted):,} files, and {limits.QUEUE_FILES_HELD:,} are held "
            "at most (QUEUE_FILES_HELD): wait until more is stored, or raise queue.segment_size"
        )
    found: list[HeldFile] = []
    try:
        for name in wanted:
            with contextlib.suppress(FileNotFoundError):
                found.append(_open(directory, name, ends.get(name)))
    except BaseException:
        Held(found).close()
        raise
    return Held(found)


def names(directory: Path) -> list[str]:
    """Paths of all files that count, under the `directory` of a queue that nobody runs."""
    return [*_beside(directory), *sorted(one.name for one in directory.glob("*.seg"))]


def _beside(directory: Path) -> Iterator[str]:
    """Positions first: what they are behind is in the segments."""
    for folder in _FOLDERS:
        if (directory / folder).is_dir():
            found = sorted(one.name for one in (directory / folder).iterdir() if one.is_file())
            yield from (f"{folder}/{name}" for name in found if not name.endswith(".new"))


def _open(directory: Path, path: str, end: int | None) -> HeldFile:
    descriptor = os.open(directory / path, os.O_RDONLY | os.O_CLOEXEC)
    size = os.fstat(descriptor).st_size
    return HeldFile(path, descriptor, size if end is None else min(end, size))
