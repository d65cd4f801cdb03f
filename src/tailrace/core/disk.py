"""What every writer of durable files does to a disk, and readers of files that are replaced."""

from __future__ import annotations

import os
from pathlib import Path


def sync_directory(directory: Path) -> None:
    """Make names in `directory` durable. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


FileState = tuple[int, int, int]


def file_state(path: str) -> FileState:
    """What changes when the file does; zeros when it cannot be seen, or `path` is empty."""
    try:
        found = Path(path).stat() if path else None
    except OSError:
        found = None
    return (found.st_mtime_ns, found.st_size, found.st_ino) if found else (0, 0, 0)


def write_whole(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Replace the file at `path` by one with `data`, durably, readable by its owner only unless
    `mode` says otherwise.

    After an OSError the one before is still there.
    """
    temporary = path.with_suffix(".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with open(descriptor, "wb", buffering=0) as file:  # noqa: PTH123 - takes the descriptor
        if file.write(data) != len(data):
            raise OSError(f"{temporary}: could not be written whole")
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_directory(path.parent)


def sync_filesystem(directory: Path) -> None:
    """Make all that was written to the file system of `directory` durable: of many files this is
    one wait, not one for each. Raises OSError where any of it failed."""
    import ctypes  # an agent does without

    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(descriptor):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(directory))
    finally:
        os.close(descriptor)
