"""The file system as an argument, so that tests own the disk.

Every method blocks and raises OSError. A handle is an int that only its own file system knows.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

# writev takes at most this many buffers in one call (IOV_MAX on Linux).
_VECTORS = 1024


class FileSystem(Protocol):
    """What the queue asks of a disk."""

    def create(self, path: Path) -> int:
        """Open a new file for appending. FileExistsError when there is one."""
        ...

    def write(self, handle: int, buffers: Sequence[bytes]) -> None:
        """Append all of `buffers`. After an error any part of them may be in the file."""
        ...

    def fdatasync(self, handle: int) -> None:
        """Make the file's bytes and size durable. After an error they may be gone: never retry."""
        ...

    def sync_file(self, path: Path) -> None:
        """`fdatasync` of a file that is not open."""
        ...

    def truncate(self, path: Path, length: int) -> None: ...

    def close(self, handle: int) -> None: ...

    def read(self, path: Path, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`; fewer only at the end of the file."""
        ...

    def size(self, path: Path) -> int: ...

    def listdir(self, path: Path) -> list[str]: ...

    def remove(self, path: Path) -> None: ...

    def replace(self, source: Path, target: Path) -> None: ...

    def mkdir(self, path: Path) -> None:
        """Create `path` and its parents; fine when it is there."""
        ...

    def fsync_dir(self, path: Path) -> None:
        """Make the names in `path` durable."""
        ...

    def free_bytes(self, path: Path) -> int:
        """Bytes that an unprivileged process may still write."""
        ...

    def lock(self, path: Path) -> int:
        """Own `path` until the handle is closed. BlockingIOError when another process does."""
        ...


class OsFileSystem:
    """The machine's disk. Files and folders are private to the user: they hold log data."""

    def create(self, path: Path) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        return os.open(path, flags, 0o600)

    def write(self, handle: int, buffers: Sequence[bytes]) -> None:
        for start in range(0, len(buffers), _VECTORS):
            part = buffers[start : start + _VECTORS]
            written = os.writev(handle, part)
            if written < sum(map(len, part)):
                self._write_rest(handle, part, written)

    def _write_rest(self, handle: int, buffers: Sequence[bytes], skip: int) -> None:
        for buffer in buffers:
            rest = memoryview(buffer)[skip:]
            skip = max(0, skip - len(buffer))
            while rest:
                rest = rest[os.write(handle, rest) :]

    def fdatasync(self, handle: int) -> None:
        os.fdatasync(handle)

    def sync_file(self, path: Path) -> None:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.fdatasync(handle)
        finally:
            os.close(handle)

    def truncate(self, path: Path, length: int) -> None:
        os.truncate(path, length)

    def close(self, handle: int) -> None:
        os.close(handle)

    def read(self, path: Path, offset: int, length: int) -> bytes:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = os.pread(handle, length, offset)
            while 0 < len(data) < length:
                more = os.pread(handle, length - len(data), offset + len(data))
                if not more:
                    break
                data += more
            return data
        finally:
            os.close(handle)

    def size(self, path: Path) -> int:
        return path.stat().st_size

    def listdir(self, path: Path) -> list[str]:
        return [entry.name for entry in path.iterdir()]

    def remove(self, path: Path) -> None:
        path.unlink()

    def replace(self, source: Path, target: Path) -> None:
        source.replace(target)

    def mkdir(self, path: Path) -> None:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.fsync_dir(path.parent)

    def fsync_dir(self, path: Path) -> None:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def free_bytes(self, path: Path) -> int:
        stat = os.statvfs(path)
        return stat.f_bavail * stat.f_frsize

    def lock(self, path: Path) -> int:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            raise
        return handle


def remove_quietly(files: FileSystem, path: Path) -> None:
    """Remove a file that nobody needs; a failure costs only its space."""
    with contextlib.suppress(OSError):
        files.remove(path)
