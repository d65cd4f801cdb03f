"""A data directory is made of a backup.

Everything is verified before anything is written. While it is written, the directory has a file
`restoring` that names the backup; nothing starts in it, and the same backup may be restored there
again, which begins anew. The file goes when all else is on the disk.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from tailrace.app.backup import copying, listing
from tailrace.app.backup.listing import DATA, FILES, Entry, Head
from tailrace.app.claims import RESTORING, claim_directory
from tailrace.core import limits
from tailrace.core.contracts import Position
from tailrace.core.disk import sync_directory, sync_filesystem, write_whole
from tailrace.core.errors import ConfigError, Corrupt, StoreError
from tailrace.queue.segment import encode_head, path_of
from tailrace.store.manifest import Manifest

_LOCK = "lock"
_ARCHIVE = "archive/"
Moved = Callable[[int], None]


def verify(backup: Path, moved: Moved = lambda _: None) -> Head:
    """Blocking. Reads everything. Raises ConfigError for what is no backup or of a newer tailrace,
    Corrupt that names the file that is broken or gone, OSError."""
    head = listing.head(backup)
    size, checksum = _whole(backup, backup / FILES, moved)
    if (size, checksum) != (head.listed, head.checksum):
        raise Corrupt(f"{backup / FILES} is not the list that belongs to it; use another backup")
    for entry in listing.entries(backup):
        path = backup / DATA / entry.path
        if entry.leads:
            if not path.is_symlink() or str(path.readlink()) != entry.leads:
                raise Corrupt(f"{path} is not the link that it was; use another backup")
        elif _whole(backup, path, moved) != (entry.bytes, entry.checksum):
            raise Corrupt(f"{path} is not what it was; use another backup")
    return head


def _whole(backup: Path, path: Path, moved: Moved) -> tuple[int, str]:
    try:
        return copying.checksum(path, moved)
    except FileNotFoundError:
        raise Corrupt(f"{path} is gone from {backup}; use another backup") from None


class Restore:
    """Into `data`; the archive into `archive`, or, where the backup has none, beside the one that
    is there. Blocking."""

    def __init__(self, backup: Path, data: Path, archive: Path | None, moved: Moved) -> None:
        self._backup = backup
        self._data = data
        self._archive = archive or data / "archive"
        self._moved = moved

    def run(self, head: Head) -> None:
        """After `verify`, which gave `head`. Raises ConfigError for a directory that is not empty,
        StoreError where there is no room, Corrupt, OSError."""
        lock = claim_directory(self._data, restoring=True)
        try:
            kept = self._kept(head)
            self._begin(head)
            for entry in listing.entries(self._backup):
                self._add(entry, head)
            self._go_on_behind(kept)
            self._end()
        finally:
            os.close(lock)

    def _begin(self, head: Head) -> None:
        name = f"{self._backup.name} {head.checksum}\n"
        marker = self._data / RESTORING
        if marker.exists():
            if marker.read_text() != name:
                raise ConfigError(
                    f"{self._data} is half restored from {marker.read_text().split(' ')[0]!r}; "
                    "restore that one again, or empty the directory"
                )
        elif left := [one.name for one in self._data.iterdir() if one.name != _LOCK]:
            raise ConfigError(
                f"{self._data} is not empty (there is {sorted(left)[0]!r}); name a new directory"
            )
        elif head.archive and self._apart() and any(self._archive.glob("*")):
            raise ConfigError(f"{self._archive} is not empty; name a new directory")
        self._room(head)
        write_whole(marker, name.encode())
        self._clear()
        if self._apart():
            self._archive.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _room(self, head: Head) -> None:
        free = copying.free_bytes(self._data)
        if free < head.bytes + limits.ENGINE_RESERVE_BYTES and not self._apart():
            raise StoreError(
                f"the disk of {self._data} has {free >> 20:,} MiB free; the backup has "
                f"{head.bytes >> 20:,} MiB, and a server needs more than that"
            )

    def _clear(self) -> None:
        """What an attempt before this one left."""
        for path in self._data.iterdir():
            if path.name in (_LOCK, RESTORING):
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    def _add(self, entry: Entry, head: Head) -> None:
        if not head.archive and entry.path.startswith(_ARCHIVE):
            return  # the manifest of files that are not in it
        target = self._place(entry.path)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if entry.leads:
            target.symlink_to(entry.leads)
            return
        if self._apart() and entry.path.startswith(_ARCHIVE):
            target.unlink(missing_ok=True)  # of an attempt before
        source = copying.opener(self._backup / DATA / entry.path)()
        try:
            found = copying.copy(source, target, entry.bytes, self._moved)
        finally:
            os.close(source)
        if found != entry.checksum:
            raise Corrupt(f"{self._backup / DATA / entry.path} changed while it was read")

    def _place(self, path: str) -> Path:
        if path.startswith(_ARCHIVE):
            return self._archive / path.removeprefix(_ARCHIVE)
        return self._data / path

    def _apart(self) -> bool:
        return self._archive != self._data / "archive"

    def _kept(self, head: Head) -> Position:
        """How far the archive is that stays where it is. Raises ConfigError for one that ends
        before the backup: rows that have left the tables would be nowhere."""
        if head.archive:
            return head.archived
        manifest = self._archive / "manifest"
        upto = Manifest(manifest).upto if manifest.exists() else Position(0, 0)
        if upto < head.archived:
            raise ConfigError(
                "the backup has no archive: name with --archive the directory that has the archive "
                f"({self._archive} has none that reaches as far as the backup)"
            )
        return upto

    def _go_on_behind(self, archived: Position) -> None:
        """New frames come behind what the archive has: it would take them for archived."""
        queue = self._data / "queue"
        newest = max((int(path.stem) for path in queue.glob("*.seg")), default=0)
        if archived.segment > newest:
            number = archived.segment
            salt = int.from_bytes(os.urandom(8), "little")
            path_of(queue, number).write_bytes(encode_head(number, salt))

    def _end(self) -> None:
        for one in _distinct(self._data, self._archive):
            sync_filesystem(one)
        (self._data / RESTORING).unlink()
        sync_directory(self._data)


def _distinct(*directories: Path) -> Iterator[Path]:
    """One of each file system."""
    found: set[int] = set()
    for directory in directories:
        if directory.exists() and directory.stat().st_dev not in found:
            found.add(directory.stat().st_dev)
            yield directory
