"""A small file system of its own, for a test that fills it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

STEP_BYTES = 1 << 20


class SmallDisk:
    """A tmpfs at `path`, else an ext4 image on a loop device."""

    def __init__(self, path: Path, size_bytes: int) -> None:
        path.mkdir()
        self.path = path
        self._filler = path / "filler"
        problem = self._mount_tmpfs(size_bytes) and self._mount_image(size_bytes)
        if problem:
            pytest.skip(f"no small file system can be mounted: {problem}")

    def _mount_tmpfs(self, size_bytes: int) -> str:
        return _run("mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tailrace", str(self.path))

    def _mount_image(self, size_bytes: int) -> str:
        image = self.path.with_suffix(".ext4")
        with image.open("wb") as file:
            file.truncate(size_bytes)
        made = _run("mkfs.ext4", "-q", "-m", "0", str(image))
        return made or _run("mount", "-o", "loop", str(image), str(self.path))

    def free_bytes(self) -> int:
        found = os.statvfs(self.path)
        return found.f_bavail * found.f_frsize

    def fill(self, leave_bytes: int) -> None:
        """Take what is free but for `leave_bytes`, also what others give back meanwhile."""
        with self._filler.open("ab") as file:
            while (free := self.free_bytes() - leave_bytes) > 0:
                at = file.tell()
                try:
                    os.posix_fallocate(file.fileno(), at, min(free, STEP_BYTES))
                except OSError:
                    break
                file.seek(0, os.SEEK_END)

    def relieve(self) -> None:
        """Give back what `fill` took."""
        self._filler.unlink()

    def unmount(self) -> None:
        _run("umount", "--lazy", str(self.path))


def _run(*command: str) -> str:
    """What went wrong, or ""."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except OSError as error:
        return f"{command[0]}: {error.strerror}"
    return "" if done.returncode == 0 else f"{command[0]}: {done.stderr.strip()}"
