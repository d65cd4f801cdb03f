"""The directory that has backups, each a folder with its name.

    DIRECTORY/.lock             held by who makes or removes one
    DIRECTORY/.NAME.partial     one that is on its way, in or out; nobody's once the lock is free
    DIRECTORY/NAME/             a backup, see listing.py

A backup has its name from the moment that all of it is on the disk.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from tailrace.app.backup import listing
from tailrace.app.backup.listing import Head
from tailrace.core import limits
from tailrace.core.disk import sync_directory, sync_filesystem
from tailrace.core.errors import Busy, ConfigError, TailraceError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_PARTIAL = ".partial"


class Kept(msgspec.Struct, frozen=True):
    """One backup. `error`: why nothing more can be said of it."""

    name: str
    made_ns: int = 0
    expires_ns: int = 0
    bytes: int = 0
    files: int = 0
    archive: bool = False
    tailrace: str = ""
    error: str = ""


def check_name(name: str) -> None:
    """Raises ConfigError. A name leads nowhere but into the directory, and is shown as it is."""
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name[:64]!r} is no name of a backup: up to 63 letters, digits, ., _ and -, "
            "the first a letter or a digit"
        )


def usual_name(now_ns: int) -> str:
    """The time in UTC, such as 20261128T142233Z."""
    return f"{datetime.fromtimestamp(now_ns // 10**9, UTC):%Y%m%dT%H%M%SZ}"


class Folder:
    """Blocking. Raises OSError where it says nothing else."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def path(self, name: str) -> Path:
        """Where a backup is, or would be. Raises ConfigError."""
        check_name(name)
        return self.directory / name

    def kept(self) -> list[Kept]:
        """All of them, the oldest first."""
        names = sorted(self._names())[: limits.BACKUPS_KEPT]
        return sorted((self._one(name) for name in names), key=lambda one: (one.made_ns, one.name))

    def newest(self) -> Path | None:
        """The last one that can be read."""
        found = [one for one in self.kept() if not one.error]
        return self.directory / found[-1].name if found else None

    @contextmanager
    def making(self, name: str) -> Iterator[Path]:
        """An empty directory that is the backup `name` when this ends without an error, durably.

        Raises ConfigError for a name that is taken or none, and Busy while another is made.
        """
        path = self.path(name)
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._locked():
            if path.exists():
                raise ConfigError(f"{path} is there already; give the backup another name")
            if len(self._names()) >= limits.BACKUPS_KEPT:
                raise ConfigError(
                    f"{self.directory} has {limits.BACKUPS_KEPT} backups (BACKUPS_KEPT); remove "
                    "old ones"
                )
            partial = self._partial(name)
            partial.mkdir(mode=0o700)
            try:
                yield partial
                sync_filesystem(partial)
                partial.rename(path)
            except BaseException:
                shutil.rmtree(partial, ignore_errors=True)
                raise
            sync_directory(self.directory)

    def remove(self, name: str) -> None:
        """Raises Busy while one is made."""
        with self._locked():
            self.path(name).rename(self._partial(name))
            sync_directory(self.directory)
            shutil.rmtree(self._partial(name))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Alone here; what others left half made is removed."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(self.directory / ".lock", flags, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Busy(f"a backup is being made in {self.directory}; wait for it") from None
            for left in self.directory.glob(f".*{_PARTIAL}"):
                shutil.rmtree(left)
            yield
        finally:
            os.close(descriptor)

    def _names(self) -> list[str]:
        if not self.directory.is_dir():
            return []
        return [one.name for one in self.directory.iterdir() if _NAME.fullmatch(one.name)]

    def _partial(self, name: str) -> Path:
        return self.directory / f".{name}{_PARTIAL}"

    def _one(self, name: str) -> Kept:
        try:
            head: Head = listing.head(self.directory / name)
        except (TailraceError, OSError) as error:
            return Kept(name, error=str(error))
        return Kept(
            name,
            head.made_ns,
            head.expires_ns,
            head.bytes,
            head.files,
            head.archive,
            head.tailrace,
        )
