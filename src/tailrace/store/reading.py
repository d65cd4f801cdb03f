"""Files of an archive read by another process than the one that writes it.

Its owner may delete a file that others took the place of. So the files of a day are opened all at
once and read through what was opened; where one is gone by then, the manifest is read anew. What
is gone then, or is not as it was written, is damaged.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from tailrace.core.errors import StoreError
from tailrace.core.frame import Signal
from tailrace.store.entries import ArchiveFile
from tailrace.store.listing import Listing
from tailrace.store.manifest import listed

# Between two looks at the manifest files change places at most a few times a minute.
_LOOKS = 5


class Wanted(NamedTuple):
    """Which files: of a time in UTC nanoseconds, both ends in it; None is any tenant or signal."""

    start_ns: int
    end_ns: int
    tenant: str | None = None
    signal: Signal | None = None

    def holds(self, file: ArchiveFile) -> bool:
        """Whether a file may have such rows."""
        return (
            file.first_ns <= self.end_ns
            and file.last_ns >= self.start_ns
            and self.tenant in (None, file.tenant)
            and self.signal in (None, file.signal)
        )


class Opened(NamedTuple):
    """A file, and where it can be read though it be deleted."""

    file: ArchiveFile
    path: Path


class ArchiveReader:
    """Of the archive in `directory`. All of it blocks."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._listing = self._listed()

    def _listed(self) -> Listing:
        try:
            return listed(self.directory / "manifest")
        except FileNotFoundError:
            raise StoreError(f"{self.directory} is no archive: it has no manifest") from None

    def files(self, wanted: Wanted) -> list[ArchiveFile]:
        """Those that count, by signal, tenant and time."""
        found = filter(wanted.holds, self._listing.files())
        return sorted(found, key=lambda file: (file.signal, file.tenant, file.first_ns, file.path))

    def again(self, file: ArchiveFile) -> bool:
        """Whether a file counts still, by the manifest as it is now."""
        self._listing = self._listed()
        return self._listing.get(file.path) == file

    def days(self, wanted: Wanted) -> Iterator[tuple[list[Opened], list[ArchiveFile]]]:
        """The files of one signal, tenant and day after another, open while the next is not asked
        for; and those of them that cannot be opened."""
        days = dict.fromkeys((f.signal, f.tenant, f.day) for f in self.files(wanted))
        for signal, tenant, day in days:
            with self._opened(wanted, (signal, tenant, day)) as found:
                yield found

    @contextmanager
    def _opened(
        self, wanted: Wanted, place: tuple[Signal, str, int]
    ) -> Iterator[tuple[list[Opened], list[ArchiveFile]]]:
        for look in range(_LOOKS):
            files = [f for f in self.files(wanted) if (f.signal, f.tenant, f.day) == place]
            with ExitStack() as stack:
                found, missing = self._open(files, stack)
                if look < _LOOKS - 1 and not all([self.again(file) for file in missing]):
                    continue
                yield found, missing
                return

    def _open(
        self, files: Sequence[ArchiveFile], stack: ExitStack
    ) -> tuple[list[Opened], list[ArchiveFile]]:
        found, missing = [], []
        for file in files:
            try:
                descriptor = os.open(self.directory / file.path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                missing.append(file)
                continue
            stack.callback(os.close, descriptor)
            found.append(Opened(file, Path(f"/proc/self/fd/{descriptor}")))
        return found, missing
