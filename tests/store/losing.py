"""A folder whose disk loses what was not synced, over a real one.

While it is on, syncs of files and folders are noted as they come. `cut` makes another folder of
what a power cut can leave: a name that was synced leads to a file, whose synced bytes are there,
and of the others some.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class LosingDisk:
    """Watches `folder`; see the module."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._synced: dict[int, bytes] = {}
        # Of folders, by their inode: the names that are durable, and where they lead.
        self._names: dict[Path, dict[str, int]] = {}

    @contextmanager
    def watched(self, patch: Any) -> Iterator[None]:
        """`patch` is a MonkeyPatch."""
        real = os.fsync

        def fsync(descriptor: int) -> None:
            real(descriptor)
            self.synced(Path(f"/proc/self/fd/{descriptor}").resolve())

        with patch.context() as patched:
            patched.setattr(os, "fsync", fsync)
            yield

    def synced(self, path: Path) -> None:
        """Also called for what the engine would have synced."""
        if not path.is_dir():
            self._synced[path.stat().st_ino] = path.read_bytes()
        elif path == self._folder or self._folder in path.parents:
            self._names[path] = {one.name: one.stat().st_ino for one in path.iterdir()}

    def cut(self, target: Path, chance: random.Random) -> None:
        """Leave in `target` what a power cut now can leave of the folder."""
        for path in [self._folder, *sorted(self._folder.rglob("*"))]:
            if path.is_dir():
                self._cut_folder(path, target / path.relative_to(self._folder), chance)

    def _cut_folder(self, folder: Path, target: Path, chance: random.Random) -> None:
        target.mkdir(parents=True, exist_ok=True)
        now = {one.name: one for one in folder.iterdir() if one.is_file()}
        held = {path.stat().st_ino: path.read_bytes() for path in now.values()}
        durable = self._names.get(folder, {})
        for name in sorted(durable.keys() | now.keys()):
            before = durable.get(name)
            after = now[name].stat().st_ino if name in now else None
            inode = after if before == after else chance.choice([before, after])
            if inode is not None and (inode in held or inode in self._synced):
                synced = self._synced.get(inode, b"")
                (target / name).write_bytes(_left(synced, held.get(inode, synced), chance))


def _left(synced: bytes, seen: bytes, chance: random.Random) -> bytes:
    """What is left of a file."""
    if not seen.startswith(synced):  # cut shorter, which did not reach the disk
        return chance.choice([synced, seen])
    more = seen[len(synced) :]
    part = more[: chance.randint(0, len(more))]
    return synced + chance.choice([b"", more, part, part.ljust(len(more), b"\0")])
