"""The archive's manifest: which Parquet files count, in one file of lines.

Layout: lines of checked.py, each a step, a swap, or what a rewriting left (entries.py). Rows of a
step are in the archive from the moment its line is synced, and files change places with others at
such a moment. Recovery: a last line that is torn, so without its end, is cut off; any other broken
line is refused by name, since files that nobody lists would be deleted as left over.

Lines name files that count no more. When most do, the file is rewritten: one line that says how
far the archive is, and lines with the files that count. It takes the old one's place whole.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from tailrace.core import limits
from tailrace.core.contracts import Position
from tailrace.core.disk import sync_directory, write_whole
from tailrace.core.errors import Corrupt, StoreError
from tailrace.store import checked
from tailrace.store.entries import KINDS, ArchiveFile, Entry, Kept, Kind, Step, Swap
from tailrace.store.listing import Listing

__all__ = ["ArchiveFile", "Manifest", "Step", "Swap", "listed"]
_FILES_OF_A_LINE = 1_000


def listed(path: Path) -> Listing:
    """What the manifest at `path` says now, for those that only read: its owner may be writing.
    Raises OSError, and Corrupt for a broken line."""
    return _read(path)[0]


class Manifest:
    """Reads at once, writes durably. Writing blocks, call it off the event loop; from several
    threads it takes turns. Reading is from memory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._end = 0
        self._writing = threading.Lock()
        self.listing = Listing()
        if path.exists():
            self._load()

    def _load(self) -> None:
        self.listing, self._end = _read(self._path)
        if self._end < self._path.stat().st_size:
            with self._path.open("r+b") as file:
                file.truncate(self._end)
                os.fsync(file.fileno())

    @property
    def upto(self) -> Position:
        """The place in the queue up to which everything is archived."""
        return self.listing.upto

    def append(self, step: Step) -> None:
        """Add a step; returns when it is on disk. Raises OSError; then it is not added."""
        with self._writing:
            self._append(step)

    def swap(self, swap: Swap) -> None:
        """Let files change places; returns when that is on disk. Raises OSError, and StoreError
        when one to be removed does not count any more; then nothing has changed. After an OSError
        a power cut may still bring the change: the added files must be left where they are."""
        with self._writing:
            gone = [path for path in swap.removed if self.listing.get(path) is None]
            if gone:
                raise StoreError(f"the archive's manifest does not list {gone[0]} any more")
            self._append(swap)

    def _append(self, entry: Entry) -> None:
        line = checked.line(entry)
        try:
            with self._path.open("ab", buffering=0) as file:
                # What an append left that failed half-way, on a full disk.
                file.truncate(self._end)
                if file.write(line) != len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(file.fileno())
            sync_directory(self._path.parent)
        except OSError:
            # Whoever reads the file is not to see it, and a next start neither.
            with contextlib.suppress(OSError):
                os.truncate(self._path, self._end)
            raise
        self._end += len(line)
        self.listing.apply(entry)

    def rewrite(self) -> bool:
        """Leave out what counts no more, if that is most of it. Whether it was. Raises OSError;
        then the manifest is as it was."""
        with self._writing:
            files = self.listing.files()
            if self.listing.named < 2 * len(files) + limits.ARCHIVE_MANIFEST_DEAD:
                return False
            data = b"".join(checked.line(entry) for entry in self._kept(files))
            write_whole(self._path, data, self._path.stat().st_mode & 0o777)
            self._end = len(data)
            self.listing.named = 1 + len(files)
            return True

    def _kept(self, files: Sequence[ArchiveFile]) -> Iterator[Entry]:
        yield self.listing.base()
        left = iter(files)
        while some := list(islice(left, _FILES_OF_A_LINE)):
            yield Kept(some)

    def paths(self) -> set[str]:
        """Every file that counts."""
        return {file.path for file in self.listing.files()}


def _read(path: Path) -> tuple[Listing, int]:
    """What the whole lines say, and where they end."""
    listing, good = Listing(), 0
    lines = path.read_bytes().splitlines(keepends=True)
    for number, line in enumerate(lines, 1):
        entry = _entry(line, path, number)
        if entry is None:
            if number < len(lines) or line.endswith(b"\n"):
                raise Corrupt(
                    f"{path} line {number} fails its checksum; restore the file from a "
                    "backup, or move the archive aside"
                )
            break
        listing.apply(entry)
        good += len(line)
    return listing, good


def _entry(line: bytes, path: Path, number: int) -> Entry | None:
    kind = checked.parse(line, Kind)
    if kind is None:
        return None
    if kind.kind not in KINDS:
        raise Corrupt(
            f"{path} line {number} is of a kind, {kind.kind!r}, that this version does not know; "
            "use the version that wrote it"
        )
    return checked.parse(line, KINDS[kind.kind])
