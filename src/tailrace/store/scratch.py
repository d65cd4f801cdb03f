"""A folder for payloads on their way into the engine, in shared memory where there is any.

Its name is random, for others may write to shared memory too, and is kept in the data directory, so
that the next start can remove what a killed process left: `scratch` holds one path and a newline.
"""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a fresh private directory is made in it
_PREFIX = "tailrace-"


class Scratch:
    """One for each data directory, which the caller owns. Blocking."""

    def __init__(self, data: Path, shared_memory: Path = _SHARED_MEMORY) -> None:
        self._name = data / "scratch"
        parent = shared_memory if shared_memory.is_dir() else data
        self.path = parent / f"{_PREFIX}{secrets.token_hex(8)}"

    def open(self) -> None:
        """Remove the last one, make this one. Raises OSError."""
        if self._name.exists():
            left = Path(self._name.read_text().strip())
            # Never more than a folder of ours, whatever the file says.
            if left.name.startswith(_PREFIX) and not left.is_symlink():
                shutil.rmtree(left, ignore_errors=True)
        self._name.write_text(f"{self.path}\n")
        self.path.mkdir(mode=0o700)

    def close(self) -> None:
        """Remove it."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._name.unlink(missing_ok=True)
