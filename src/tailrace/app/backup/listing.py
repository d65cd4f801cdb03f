"""What a backup has: two files that say it, beside the files themselves.

    BACKUP/backup      one line of checked.py, a Head; what has none is no backup
    BACKUP/files       a line of checked.py for each file, an Entry
    BACKUP/data/...    the files, where they are in a data directory

`files` is written first, `backup` when all else is on the disk. Checksums are XXH3 of 128 bits:
they find what a disk or a copy broke, not what somebody forged.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import msgspec

from tailrace.core.contracts import Position
from tailrace.core.disk import write_whole
from tailrace.core.errors import ConfigError, Corrupt
from tailrace.governance.schema import MIGRATIONS
from tailrace.store import checked, schema

HEAD, FILES, DATA = "backup", "files", "data"
FORMAT = 1
_HEAD_BYTES = 65_536


class Head(msgspec.Struct, frozen=True):
    """`format`: of all of this. `tailrace`: the version that made it. `store`, `control`: numbers
    of the last migrations, 0 where it has none. `made_ns`: the moment that it shows; `expires_ns`:
    from when on it is not to be kept, 0 for ever; both UTC. `files`, `bytes`: how many, and how
    large together. `listed`, `checksum`: size and checksum of `files`. `running`: whether a server
    ran. `archive`: whether the archive's files are in it; `archived`: how far the archive was.
    `left_out`: what a data directory has beside it, in words."""

    format: int
    tailrace: str
    store: int
    control: int
    made_ns: int
    expires_ns: int
    files: int
    bytes: int
    listed: int
    checksum: str
    running: bool
    archive: bool
    archived: Position
    left_out: list[str] = []


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file by its path in a data directory: bytes, checksum in hexadecimal digits. `changed_ns`:
    when the file it was copied from was last changed, of one that never changes again. `leads`:
    where a symbolic link leads."""

    path: str
    bytes: int = 0
    checksum: str = ""
    changed_ns: int = 0
    leads: str = ""


def head(backup: Path) -> Head:
    """Raises ConfigError for what is no backup or of a newer tailrace, Corrupt for a broken one,
    OSError."""
    try:
        with (backup / HEAD).open("rb") as file:
            line = file.read(_HEAD_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        raise ConfigError(f"{backup} is no backup: there is no file {HEAD} in it") from None
    try:
        found = checked.parse(line, Head)
    except msgspec.ValidationError:
        found = None
        if (checked.parse(line, _Format) or _Format()).format > FORMAT:
            raise ConfigError(_newer(backup, "its format is not known here")) from None
    if found is None:
        raise Corrupt(f"{backup / HEAD} fails its checksum; use another backup")
    known = {"store": schema.NEWEST, "control": len(MIGRATIONS), "format": FORMAT}
    for name, newest in known.items():
        number = getattr(found, name)
        if number > newest:
            why = f"{found.tailrace}, {name} {number} where {newest} is known"
            raise ConfigError(_newer(backup, why))
    return found


def _newer(backup: Path, why: str) -> str:
    return f"{backup} was made by a newer tailrace ({why}); use that version"


class _Format(msgspec.Struct):
    format: int = 0


def write_head(backup: Path, found: Head) -> None:
    """Durably. Raises OSError."""
    write_whole(backup / HEAD, checked.line(found))


def entries(backup: Path) -> Iterator[Entry]:
    """Raises Corrupt for a broken line or a path that leads out of the backup, OSError."""
    with (backup / FILES).open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                entry = checked.parse(line, Entry)
            except msgspec.MsgspecError:
                entry = None
            if entry is None or not (_within(entry.path) and _leads_within(entry)):
                raise Corrupt(f"{backup / FILES} line {number} is broken; use another backup")
            yield entry


def _within(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return bool(parts) and path == "/".join(parts) and ".." not in parts and parts[0] != "/"


def _leads_within(entry: Entry) -> bool:
    """Whether a link is one of the store's, and leads to something in the backup."""
    if not entry.leads:
        return True
    if not entry.path.startswith("store/"):
        return False
    depth = 0
    for part in (*PurePosixPath(entry.path).parent.parts, *PurePosixPath(entry.leads).parts):
        depth += -1 if part == ".." else 1
        if depth < 1 or part == "/":
            return False
    return True
