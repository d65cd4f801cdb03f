"""A backup is made: what a moment holds is copied, listed, and then has its name.

What another process deletes first is copied first: the queue's files, then the tables', then the
archive's, of which hard links are held meanwhile in `archive/.backup/`.
"""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec
import xxhash

from tailrace import __version__
from tailrace.app.backup import copying, listing
from tailrace.app.backup.copying import Copier, Item
from tailrace.app.backup.folder import Folder
from tailrace.app.backup.listing import DATA, FILES, FORMAT, Entry, Head
from tailrace.app.backup.moment import CONTROL, MANIFEST, Moment
from tailrace.core import limits
from tailrace.core.contracts import Position
from tailrace.core.errors import StoreError, TailraceError
from tailrace.store import checked, frozen, schema
from tailrace.store.manifest import Manifest

# Bytes between two looks at what is free.
_LOOK_BYTES = 64 * limits.MIB


class Wanted(msgspec.Struct, frozen=True):
    """What is asked for. `keep_s`: how long it is to be kept, 0 for ever. `archive`: with the
    archive's files. `full`: nothing is linked to the backup before."""

    name: str
    keep_s: float = 0.0
    archive: bool = True
    full: bool = False


class Progress:
    """How far one is: bytes of those to be copied. Written by one thread, read by any."""

    def __init__(
        self, stop: threading.Event, show: Callable[[int, int], None] = lambda _done, _all: None
    ) -> None:
        """`stop`: set, it ends. `show` is told of bytes and of all."""
        self._stop = stop
        self._show = show
        self._disk: Path | None = None
        self._unlooked = 0
        self.bytes = 0
        self.total_bytes = 0

    def begin(self, directory: Path, total_bytes: int) -> None:
        """Raises StoreError where `directory` has no room for them."""
        self._disk, self.total_bytes = directory, total_bytes
        free = copying.free_bytes(directory)
        if free < total_bytes + limits.BACKUP_RESERVE_BYTES:
            raise StoreError(
                f"the disk of {directory} has {_mib(free)} free; the backup takes "
                f"{_mib(total_bytes)}, and {_mib(limits.BACKUP_RESERVE_BYTES)} stay free "
                "(BACKUP_RESERVE_BYTES): free some, or leave the archive out"
            )

    def moved(self, size: int) -> None:
        """Raises StoreError when it is to stop, or the room is used by others."""
        self.bytes += size
        self._unlooked += size
        self._show(self.bytes, self.total_bytes)
        if self._stop.is_set():
            raise StoreError("the backup was stopped before it was whole")
        if self._disk is not None and self._unlooked >= _LOOK_BYTES:
            self._unlooked = 0
            if copying.free_bytes(self._disk) < limits.BACKUP_RESERVE_BYTES:
                raise StoreError(
                    f"the disk of {self._disk} became full before the backup was whole"
                )


def make(folder: Folder, wanted: Wanted, now: Moment, progress: Progress) -> Head:
    """Blocking. The backup of the moment `now`, which is closed.

    Raises ConfigError for a name that is taken, Busy while another is made, StoreError, OSError.
    Then there is none, and nothing is left of it but what the next removes.
    """
    with contextlib.closing(now):
        earlier = None if wanted.full else folder.newest()
        with folder.making(wanted.name) as partial:
            (partial / DATA).mkdir(mode=0o700)
            copier = Copier(partial, progress.moved, earlier, _fixed(earlier))
            return _Making(partial, wanted, now, progress, copier).run()


class _Making:
    def __init__(
        self, partial: Path, wanted: Wanted, now: Moment, progress: Progress, copier: Copier
    ) -> None:
        self._partial = partial
        self._wanted = wanted
        self._now = now
        self._progress = progress
        self._copier = copier
        self._archived = Position(0, 0)
        self._count = self._bytes = self._listed = 0
        self._hash = xxhash.xxh3_128()

    def run(self) -> Head:
        small = [self._copier.add(item) for item in self._now.small()]
        with contextlib.ExitStack() as held, (self._partial / FILES).open("wb") as lines:
            archive = self._archive(held)
            queued, stored = list(self._now.queued()), list(self._now.stored())
            others = list(self._now.others())
            self._room([*queued, *stored, *archive, *others])
            self._list(lines, (self._copier.add(item) for item in queued))
            self._list(lines, self._control())
            self._list(lines, [self._link(), *map(self._as_it_is, small)])
            self._list(lines, (self._copier.add(i) for i in (*stored, *archive, *others)))
        head = self._head()
        listing.write_head(self._partial, head)
        return head

    def _archive(self, held: contextlib.ExitStack) -> list[Item]:
        """The files that the manifest lists, which is in the backup by now."""
        path = self._partial / DATA / MANIFEST
        if not path.exists():
            return []
        manifest = Manifest(path)
        self._archived = manifest.upto
        if not self._wanted.archive:
            return []
        links = held.enter_context(_links(self._now.places.archive))
        return [self._held(links, number, name) for number, name in enumerate(manifest.paths())]

    def _held(self, links: Path, number: int, name: str) -> Item:
        path = self._now.places.archive / name
        item = copying.file_item(f"archive/{name}", path, fixed=True)
        if self._copier.known(item):
            return item
        with contextlib.suppress(OSError):  # a file system without links; it is read where it is
            path = links / str(number)
            path.hardlink_to(self._now.places.archive / name)
            return Item(item.path, item.bytes, copying.opener(path), item.changed_ns)
        return item

    def _room(self, items: Iterable[Item]) -> None:
        total = sum(item.bytes for item in items if not self._copier.known(item))
        if self._now.places.control is not None:
            total += (self._now.places.control / "control.sqlite").stat().st_size
        self._progress.begin(self._partial, total)

    def _control(self) -> Iterator[Entry]:
        if self._now.control is not None:
            path = self._partial / DATA / CONTROL
            path.parent.mkdir(mode=0o700)
            self._now.control.write(path)
            yield Entry(CONTROL, *copying.checksum(path, self._progress.moved))

    def _link(self) -> Entry:
        path, leads = frozen.link(self._now.places.data / "store")
        return self._copier.link(f"store/tables/{path}", leads)

    def _as_it_is(self, entry: Entry) -> Entry:
        """The manifest may have lost a torn end when it was read."""
        path = self._partial / DATA / entry.path
        return Entry(entry.path, *copying.checksum(path, lambda _: None))

    def _list(self, lines: BinaryIO, entries: Iterable[Entry]) -> None:
        for entry in entries:
            line = checked.line(entry)
            lines.write(line)
            self._hash.update(line)
            self._listed += len(line)
            self._count += 1
            self._bytes += entry.bytes

    def _head(self) -> Head:
        made_ns, keep_ns = self._now.made_ns, int(self._wanted.keep_s * 1e9)
        return Head(
            format=FORMAT,
            tailrace=__version__,
            store=schema.NEWEST,
            control=self._now.control.version if self._now.control else 0,
            made_ns=made_ns,
            expires_ns=min(made_ns + keep_ns, 2**63 - 1) if keep_ns else 0,
            files=self._count,
            bytes=self._bytes,
            listed=self._listed,
            checksum=self._hash.hexdigest(),
            running=self._now.running,
            archive=self._wanted.archive,
            archived=self._archived,
            left_out=list(self._left_out()),
        )

    def _left_out(self) -> Iterator[str]:
        yield "the master key, without which the keys of pseudonyms in it cannot be opened"
        if not self._wanted.archive:
            yield "the archive"
        if self._now.places.control is None:
            yield "the control store, which a database has"
        if self._now.running:
            yield "the agent's directory, which is of its machine"


def _fixed(backup: Path | None) -> dict[str, Entry]:
    """Entries of files that never change; none of a backup that cannot be read."""
    found: dict[str, Entry] = {}
    if backup is not None:
        with contextlib.suppress(TailraceError, OSError):
            for entry in listing.entries(backup):
                if entry.changed_ns:
                    found[entry.path] = entry
    return found


@contextlib.contextmanager
def _links(archive: Path) -> Iterator[Path]:
    """A folder for hard links, beside the files that they are of."""
    folder = archive / ".backup"
    left_over(archive)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        left_over(archive)


def left_over(archive: Path) -> None:
    """Remove links that a crash left. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(archive / ".backup")


def _mib(size: int) -> str:
    return f"{size // limits.MIB:,} MiB"
