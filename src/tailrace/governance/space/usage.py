"""Who uses the space: folders by their files, and what the hot store says of its tables."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from tailrace.core import limits
from tailrace.core.clock import Clock

# Walking an archive of a year takes a second of a disk: it is done once for all who ask meanwhile.
_FRESH_S = 10.0


class Used(msgspec.Struct, frozen=True):
    """`what` of the store is "hot" and `table` says which. `complete`: False where there are more
    than SPACE_FILES files, of which only those are counted."""

    what: str
    bytes: int
    table: str = ""
    complete: bool = True


Tables = Callable[[], Awaitable[Mapping[str, int]]]


class Usage:
    """One for each process and event loop."""

    def __init__(self, folders: Mapping[str, Path], tables: Tables, clock: Clock) -> None:
        """`folders` by what they hold; one that lies in another is not counted there again.
        `tables`: bytes by table."""
        self._folders = folders
        self._tables = tables
        self._clock = clock
        self._counting = asyncio.Lock()
        self._known: list[Used] = []
        self._counted_s = float("-inf")

    async def listed(self) -> Sequence[Used]:
        """At most _FRESH_S old, the largest first. Raises StoreError."""
        async with self._counting:
            if self._clock.monotonic_s() - self._counted_s >= _FRESH_S:
                found = await asyncio.to_thread(self._count)
                tables = await self._tables()
                found += [Used("hot", size, table) for table, size in tables.items()]
                self._known = sorted(found, key=lambda used: -used.bytes)
                self._counted_s = self._clock.monotonic_s()
            return self._known

    def _count(self) -> list[Used]:
        own = {str(path) for path in self._folders.values()}
        return [_used(what, str(path), own - {str(path)}) for what, path in self._folders.items()]


def _used(what: str, top: str, but: set[str]) -> Used:
    total = files = 0
    waiting = [top]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        if entry.path not in but:
                            waiting.append(entry.path)
                        continue
                    files += 1
                    total += _blocks(entry)
        except OSError:
            continue  # it went meanwhile, or was never made
        if files > limits.SPACE_FILES:
            return Used(what, total, complete=False)
    return Used(what, total)


def _blocks(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_blocks * 512
    except OSError:
        return 0
