"""The archive: its manifest, and every file that it lists by its size and its two ends.

Checksums of what the files hold are `tailrace archive verify`'s.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from tailrace.app.doctor.finding import Finding, Place, note, wrong
from tailrace.core.errors import Corrupt
from tailrace.store.manifest import ArchiveFile, Manifest

_PART = "archive"
_MAGIC = b"PAR1"
# Length of the footer, and the magic, at the end.
_TAIL_BYTES = 8


def look(place: Place) -> Iterator[Finding]:
    """Raises OSError."""
    if not place.archive.is_dir():
        return
    try:
        manifest, torn = manifest_of(place)
    except Corrupt as error:
        yield wrong(
            _PART,
            str(error).partition(";")[0],
            "nobody knows which files count; no server starts",
            "restore the file from a backup",
        )
        return
    if torn:
        yield note(
            _PART,
            f"{place.archive / 'manifest'} ends with {torn:,} bytes of a line that is not whole",
            "the step that it was to be is made again",
            "nothing: the next start cuts them off",
        )
    if not (place.archive / "manifest").exists() and any(place.archive.rglob("*.parquet")):
        yield wrong(
            _PART,
            f"{place.archive / 'manifest'} is gone, and there are Parquet files",
            "nobody knows which count: a server takes all of them for left over and removes them",
            "start none; restore the manifest from a backup",
        )
        return
    files = listed(manifest)
    for file in files:
        yield from _file(place.archive / file.path, file.bytes)
    names = {file.path for file in files}
    found = {str(one.relative_to(place.archive)) for one in place.archive.rglob("*.parquet")}
    if left := len(found - names):
        yield note(
            _PART,
            f"{left:,} files under {place.archive} are in no line of the manifest",
            "they are of a step that was not finished, or others took their place",
            "nothing: the next start removes them",
        )


def manifest_of(place: Place) -> tuple[Manifest, int]:
    """The manifest, and how many bytes of an unfinished line it has. Reading it would cut them off:
    a copy is read. Raises Corrupt, OSError."""
    path = place.archive / "manifest"
    with tempfile.TemporaryDirectory(prefix="tailrace-doctor-") as folder:
        copy = Path(folder) / "manifest"
        if path.exists():
            copy.write_bytes(path.read_bytes())
        size = copy.stat().st_size if copy.exists() else 0
        try:
            manifest = Manifest(copy)
        except Corrupt as error:
            raise Corrupt(str(error).replace(str(copy), str(path))) from None
        return manifest, size - (copy.stat().st_size if copy.exists() else 0)


def listed(manifest: Manifest) -> list[ArchiveFile]:
    """Files that count."""
    return manifest.listing.files()


def _file(path: Path, size: int) -> Iterator[Finding]:
    why = _why(path, size)
    if why:
        yield wrong(
            _PART,
            f"{path} {why}",
            "its rows are nowhere else, unless the hot tables have them still; queries of that "
            "hour fail",
            "restore the file from a backup",
        )


def _why(path: Path, size: int) -> str:
    try:
        found = path.stat().st_size
        if found != size:
            return f"has {found:,} bytes where {size:,} were written"
        with path.open("rb") as file:
            head = file.read(len(_MAGIC))
            file.seek(-_TAIL_BYTES, 2)
            tail = file.read()
    except FileNotFoundError:
        return "is gone"
    length = int.from_bytes(tail[:4], "little")
    if head != _MAGIC or tail[4:] != _MAGIC or not 0 < length < size - len(_MAGIC) - _TAIL_BYTES:
        return "is no whole Parquet file"
    return ""
