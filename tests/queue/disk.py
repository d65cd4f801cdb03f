"""A disk in memory that fails as disks do. Seeded by the caller, so that a failure repeats.

Each file has what the process sees and what would survive a power cut. A sync that fails drops
the unsynced bytes and marks them clean, as Linux does: a second sync succeeds and saves nothing.
"""

from __future__ import annotations

import errno
import random
import threading
from collections.abc import Sequence
from pathlib import Path


class _Inode:
    def __init__(self) -> None:
        self.seen = bytearray()
        self.durable = b""


class FaultyFileSystem:
    """Implements `FileSystem`. `faults` holds (operation, errno) to raise next, in order."""

    def __init__(self, seed: int = 0, free: int = 1 << 40) -> None:
        self.random = random.Random(seed)
        self.free = free
        self.faults: list[tuple[str, int]] = []
        self._names: dict[Path, _Inode] = {}
        self._durable_names: dict[Path, _Inode] = {}
        self._handles: dict[int, _Inode] = {}
        self._locks: dict[int, Path] = {}
        self._next_handle = 3
        self._mutex = threading.RLock()

    # What tests do to the disk.

    def fail(self, operation: str, code: int) -> None:
        """Let the next call of `operation` raise OSError(code)."""
        self.faults.append((operation, code))

    def crash(self) -> None:
        """Cut the power: names and bytes that were not synced are lost, in part or whole."""
        with self._mutex:
            # A name whose folder was not synced may have survived all the same.
            names = dict(self._durable_names)
            for path, inode in self._names.items():
                if path not in names and self.random.random() < 0.5:
                    names[path] = inode
            for inode in {id(i): i for i in names.values()}.values():
                self._lose_unsynced(inode)
            self._names = names
            self._durable_names = dict(names)
            self._handles.clear()
            self._locks.clear()
            self.faults.clear()

    def kill(self) -> None:
        """Kill the process: what it wrote stays in the page cache, its handles and locks go."""
        with self._mutex:
            self._handles.clear()
            self._locks.clear()
            self.faults.clear()

    def flip(self, path: Path, bit: int) -> None:
        """Flip one bit, on the disk and in the page cache."""
        inode = self._names[path]
        inode.seen[bit // 8] ^= 1 << bit % 8
        if bit // 8 < len(inode.durable):
            durable = bytearray(inode.durable)
            durable[bit // 8] ^= 1 << bit % 8
            inode.durable = bytes(durable)

    def paths(self, suffix: str) -> list[Path]:
        return sorted(path for path in self._names if path.name.endswith(suffix))

    # FileSystem.

    def create(self, path: Path) -> int:
        with self._mutex:
            self._maybe_fail("create")
            if path in self._names:
                raise FileExistsError(errno.EEXIST, "exists", str(path))
            inode = self._names[path] = _Inode()
            return self._handle(inode)

    def write(self, handle: int, buffers: Sequence[bytes]) -> None:
        with self._mutex:
            inode, data = self._handles[handle], b"".join(buffers)
            try:
                self._maybe_fail("write")
                if len(data) > self.free:
                    raise OSError(errno.ENOSPC, "no space")
            except OSError:
                part = data[: min(self.random.randint(0, len(data)), self.free)]
                inode.seen += part
                self.free -= len(part)
                raise
            inode.seen += data
            self.free -= len(data)

    def fdatasync(self, handle: int) -> None:
        with self._mutex:
            self._sync(self._handles[handle])

    def sync_file(self, path: Path) -> None:
        with self._mutex:
            self._sync(self._inode(path))

    def truncate(self, path: Path, length: int) -> None:
        with self._mutex:
            self._maybe_fail("truncate")
            inode = self._inode(path)
            self.free += max(0, len(inode.seen) - length)
            del inode.seen[length:]

    def close(self, handle: int) -> None:
        with self._mutex:
            self._handles.pop(handle, None)
            self._locks.pop(handle, None)

    def read(self, path: Path, offset: int, length: int) -> bytes:
        with self._mutex:
            self._maybe_fail("read")
            return bytes(self._inode(path).seen[offset : offset + length])

    def size(self, path: Path) -> int:
        with self._mutex:
            return len(self._inode(path).seen)

    def listdir(self, path: Path) -> list[str]:
        with self._mutex:
            return [p.name for p in self._names if p.parent == path]

    def remove(self, path: Path) -> None:
        with self._mutex:
            self._maybe_fail("remove")
            self.free += len(self._inode(path).seen)
            del self._names[path]

    def replace(self, source: Path, target: Path) -> None:
        with self._mutex:
            self._maybe_fail("replace")
            self._names[target] = self._inode(source)
            del self._names[source]

    def mkdir(self, path: Path) -> None:
        self._maybe_fail("mkdir")

    def fsync_dir(self, path: Path) -> None:
        with self._mutex:
            self._maybe_fail("fsync_dir")
            for name in [p for p in self._durable_names if p.parent == path]:
                del self._durable_names[name]
            self._durable_names |= {p: i for p, i in self._names.items() if p.parent == path}

    def free_bytes(self, path: Path) -> int:
        return self.free

    def lock(self, path: Path) -> int:
        with self._mutex:
            if path in self._locks.values():
                raise BlockingIOError(errno.EAGAIN, "locked", str(path))
            handle = self._handle(_Inode())
            self._locks[handle] = path
            return handle

    def _maybe_fail(self, operation: str) -> None:
        for index, (name, code) in enumerate(self.faults):
            if name == operation:
                del self.faults[index]
                raise OSError(code, errno.errorcode[code])

    def _sync(self, inode: _Inode) -> None:
        try:
            self._maybe_fail("fdatasync")
        except OSError:
            start = min(len(inode.durable), len(inode.seen))
            inode.seen[start:] = self._remains(bytes(inode.seen[start:]))
            raise
        inode.durable = bytes(inode.seen)

    def _lose_unsynced(self, inode: _Inode) -> None:
        seen, durable = bytes(inode.seen), inode.durable
        if seen[: len(durable)] == durable:
            inode.seen = bytearray(durable + self._remains(seen[len(durable) :]))
        elif self.random.random() < 0.5:
            inode.seen = bytearray(durable)  # a truncation that did not reach the disk
        inode.durable = bytes(inode.seen)

    def _remains(self, unsynced: bytes) -> bytes:
        """What a power cut leaves: none, a part, all, or a part with pages of zeros."""
        kept = unsynced[: self.random.randint(0, len(unsynced))]
        return self.random.choice(
            [b"", kept, unsynced, kept.ljust(len(unsynced), b"\0"), bytes(len(unsynced))]
        )

    def _inode(self, path: Path) -> _Inode:
        inode = self._names.get(path)
        if inode is None:
            raise FileNotFoundError(errno.ENOENT, "no such file", str(path))
        return inode

    def _handle(self, inode: _Inode) -> int:
        self._next_handle += 1
        self._handles[self._next_handle] = inode
        return self._next_handle
