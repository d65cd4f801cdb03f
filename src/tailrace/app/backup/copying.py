"""Files into a backup: copied with their checksums, or linked where the backup before has them."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import xxhash

from tailrace.app.backup.listing import DATA, Entry
from tailrace.core import limits
from tailrace.core.errors import StoreError

PIECE_BYTES = limits.MIB


@dataclass(frozen=True)
class Item:
    """A file to be copied, by its path in a data directory. `open` gives a descriptor of which the
    first `bytes` count, and which is closed by who asked. `changed_ns` as in Entry."""

    path: str
    bytes: int
    open: Callable[[], int]
    changed_ns: int = 0


class Copier:
    """Into the directory `target`, whose `data` it makes. Blocking.

    `before`: entries of files that never change, by path, of the backup at `earlier`. `moved` is
    told of bytes as they are written, and may raise to end it.
    """

    def __init__(
        self,
        target: Path,
        moved: Callable[[int], None],
        earlier: Path | None = None,
        before: Mapping[str, Entry] | None = None,
    ) -> None:
        self._target = target
        self._moved = moved
        self._earlier = earlier
        self._before = before or {}

    def known(self, item: Item) -> Entry | None:
        """The entry of the backup before, where it has the same file."""
        found = self._before.get(item.path)
        same = found and item.changed_ns and found.changed_ns == item.changed_ns
        return found if same and found and found.bytes == item.bytes else None

    def add(self, item: Item) -> Entry:
        """Raises StoreError for a file that is shorter than it was, OSError."""
        path = self._target / DATA / item.path
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = self.known(item)
        if found and self._earlier and _linked(self._earlier / DATA / item.path, path, item.bytes):
            return found
        with _closing(item.open()) as source:
            checksum = copy(source, path, item.bytes, self._moved)
        return Entry(item.path, item.bytes, checksum, item.changed_ns)

    def link(self, path: str, leads: str) -> Entry:
        """A symbolic link. Raises OSError."""
        place = self._target / DATA / path
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.symlink_to(leads)
        return Entry(path, leads=leads)


def copy(source: int, path: Path, size: int, moved: Callable[[int], None]) -> str:
    """The first `size` bytes of a descriptor into the new file `path`; their checksum. Raises
    StoreError where there are fewer, OSError."""
    hashed = xxhash.xxh3_128()
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with _closing(os.open(path, flags, 0o600)) as target:
        at = 0
        while at < size:
            piece = os.pread(source, min(PIECE_BYTES, size - at), at)
            if not piece:
                raise StoreError(f"{path.name} became shorter while it was copied: {at} of {size}")
            hashed.update(piece)
            rest = memoryview(piece)
            while rest:
                rest = rest[os.write(target, rest) :]
            at += len(piece)
            moved(len(piece))
    return hashed.hexdigest()


def checksum(path: Path, moved: Callable[[int], None]) -> tuple[int, str]:
    """Bytes of a file and their checksum; it is no symbolic link. Raises OSError."""
    hashed, size = xxhash.xxh3_128(), 0
    with _closing(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)) as source:
        while piece := os.read(source, PIECE_BYTES):
            hashed.update(piece)
            size += len(piece)
            moved(len(piece))
    return size, hashed.hexdigest()


def opener(path: Path) -> Callable[[], int]:
    """How an Item opens a file that has a name."""
    return lambda: os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def file_item(name: str, path: Path, *, fixed: bool = False) -> Item:
    """A file as it is now. Raises OSError."""
    found = path.stat()
    return Item(name, found.st_size, opener(path), found.st_mtime_ns if fixed else 0)


def free_bytes(directory: Path) -> int:
    """What an unprivileged process may still write. Raises OSError."""
    return shutil.disk_usage(directory).free


@contextmanager
def _closing(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _linked(earlier: Path, path: Path, size: int) -> bool:
    """Whether it could be had as a hard link of the one before."""
    try:
        found = earlier.lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_size != size:
            return False
        path.hardlink_to(earlier)
    except OSError:  # another file system, or one that has no links
        return False
    return True
