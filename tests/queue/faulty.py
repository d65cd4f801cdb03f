"""A disk in memory that fails as disks do."""

from __future__ import annotations

import errno
from pathlib import Path


class FaultyFileSystem:
    """Keeps what is synced apart from what is only written.

    `space_bytes`: room left; an append beyond it writes a part and raises ENOSPC.
    `fail_syncs`: how many of the next syncs raise EIO and drop the unsynced pages, as Linux does.
    """

    def __init__(self) -> None:
        self.synced: dict[Path, bytes] = {}
        self.written: dict[Path, bytes] = {}
        self.space_bytes = 1 << 40
        self.fail_syncs = 0

    def crash(self, keep_bytes: int) -> None:
        """Power off: of each file's unsynced tail only the first `keep_bytes` survive."""
        for path, data in self.written.items():
            kept = len(self.synced[path]) + keep_bytes
            self.synced[path] = data[: max(kept, len(self.synced[path]))]
        self.written = dict(self.synced)

    def flip(self, path: Path, offset: int) -> None:
        """Flip one bit, on the disk and in the cache."""
        for store in (self.synced, self.written):
            data = bytearray(store[path])
            if offset < len(data):
                data[offset] ^= 1
            store[path] = bytes(data)

    def make_directory(self, path: Path) -> None: ...

    def names(self, directory: Path) -> list[str]:
        return sorted(path.name for path in self.written if path.parent == directory)

    def size(self, path: Path) -> int:
        return len(self.written[path])

    def create(self, path: Path) -> None:
        assert path not in self.written
        self.synced[path] = self.written[path] = b""

    def append(self, path: Path, data: bytes) -> None:
        taken = data[: max(0, self.space_bytes)]
        self.written[path] += taken
        self.space_bytes -= len(taken)
        if len(taken) < len(data):
            raise OSError(errno.ENOSPC, "No space left on device")

    def sync(self, path: Path) -> None:
        if self.fail_syncs:
            self.fail_syncs -= 1
            self.written[path] = self.synced[path]
            raise OSError(errno.EIO, "Input/output error")
        self.synced[path] = self.written[path]

    def read(self, path: Path, offset: int, size: int) -> bytes:
        return self.written[path][offset : offset + size]

    def truncate(self, path: Path, size: int) -> None:
        self.written[path] = self.synced[path] = self.written[path][:size]

    def replace(self, path: Path, data: bytes) -> None:
        self.written[path] = self.synced[path] = data

    def remove(self, path: Path) -> None:
        del self.written[path], self.synced[path]

    def free_bytes(self, directory: Path) -> int:
        # Space is noticed by the append that fails, which is the harder case.
        return 1 << 40
