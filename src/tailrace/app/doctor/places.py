"""Whose the directories are, who may read them, and how much room is left."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from tailrace.app.claims import RESTORING
from tailrace.app.doctor.finding import Finding, Place, note, wrong
from tailrace.core import limits
from tailrace.governance.database import NAME
from tailrace.store import frozen

_PART = "directory"
# Directories that a server writes to, under the data directory.
_WRITTEN = ("", "queue", "queue/consumers", "queue/dead", "store", "store/tables", "control")


def look(place: Place) -> Iterator[Finding]:
    """Raises OSError."""
    if (place.data / RESTORING).exists():
        yield wrong(
            _PART,
            f"{place.data} is half restored from a backup",
            "not all of the backup is there, and no server starts",
            "run the same tailrace restore again",
        )
    written = [place.data / name for name in _WRITTEN]
    owner = place.data.stat().st_uid
    for path in (*written, place.archive, *(place.data / "control").glob(f"{NAME}*")):
        if path.exists():
            yield from _owned(path, owner)
    if place.data.stat().st_mode & 0o077:
        yield from _readable(place.data)
    for path in (place.data / "control").glob(f"{NAME}*"):
        if path.stat().st_mode & 0o077:
            yield from _readable(path)
    yield from _room(place)
    yield from _left(place)


def _owned(path: Path, owner: int) -> Iterator[Finding]:
    found = path.stat()
    if found.st_uid != owner:
        yield wrong(
            _PART,
            f"{path} belongs to user {found.st_uid}, the directory to {owner}",
            "a server that runs as that user cannot write there, and takes or stores nothing",
            f"chown -R {owner} {path}",
        )
    needed = 0o700 if stat.S_ISDIR(found.st_mode) else 0o600
    if found.st_mode & needed != needed:
        yield wrong(
            _PART,
            f"{path} cannot be written by its owner (mode {found.st_mode & 0o777:03o})",
            "a server takes or stores nothing",
            f"chmod u+rw{'x' if needed == 0o700 else ''} {path}",
        )


def _readable(path: Path) -> Iterator[Finding]:
    yield wrong(
        _PART,
        f"{path} is open to other users of the machine (mode {path.stat().st_mode & 0o777:03o})",
        "they can read logs, or digests of tokens and wrapped keys",
        f"chmod go= {path}",
    )


def _room(place: Place) -> Iterator[Finding]:
    reserve = max(place.config.queue.disk_reserve, limits.ENGINE_RESERVE_BYTES)
    for path in {place.data, place.archive}:
        if not path.exists():
            continue
        found = os.statvfs(path)
        free = found.f_bavail * found.f_frsize
        if free <= reserve:
            yield wrong(
                _PART,
                f"the disk of {path} has {free // limits.MIB:,} MiB free",
                f"with {reserve // limits.MIB:,} MiB or less nothing is taken in",
                "free some, or shorten store.keep",
            )


def _left(place: Place) -> Iterator[Finding]:
    left = [place.data / "scratch", frozen.shadow(place.data / "store"), place.archive / ".backup"]
    for path in left:
        if path.exists():
            yield note(
                _PART,
                f"{path} was left by a server that was killed",
                "it holds nothing that is needed",
                "nothing: the next start removes it",
            )
    for path in (place.data / "control").glob(f"{NAME}.damaged-*"):
        if not path.name.endswith(("-wal", "-shm")):
            yield note(
                _PART,
                f"{path} is a control store that was damaged and set aside",
                "tokens, keys and silences of that time are only in it",
                "remove it when nothing of it is wanted",
            )
