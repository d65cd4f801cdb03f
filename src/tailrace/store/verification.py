"""Each file of the archive is read once a week and compared with what the manifest says of it.

When, its name says: files are spread evenly over the week, whatever became of the process since.
Once an hour every file is looked at from outside, and those that are known as damaged are read
again, since somebody may have restored them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import xxhash

from tailrace.core.clock import Clock
from tailrace.core.metrics import Metrics
from tailrace.store import parquet
from tailrace.store.archive import Archive
from tailrace.store.entries import ArchiveFile

WEEK_S = 7 * 86_400
LOOK_S = 3_600.0
# What is read is on its way from the disk for others too: a few files at a time leave them room.
BYTES_PER_S = 64 * 1024 * 1024
# Of a turn; others who look after the archive have theirs in between.
TURN_S = 60.0


class Verification:
    """A Part of the upkeep of an open archive."""

    def __init__(self, archive: Archive, clock: Clock, metrics: Metrics) -> None:
        self._archive = archive
        self._clock = clock
        self._metrics = metrics
        self._looks_s = clock.monotonic_s()
        self._until_s = clock.wall_ns() // 10**9
        self._due: list[str] = []

    async def turn(self) -> bool:
        """Read what is due: whether more is."""
        began_s = self._clock.monotonic_s()
        if began_s >= self._looks_s:
            await self._look()
            self._looks_s = began_s + LOOK_S
        self._due += await asyncio.to_thread(self._of_the_time)
        while self._due:
            if self._clock.monotonic_s() >= began_s + TURN_S:
                return True
            await self._verify(self._due.pop())
        return False

    async def _look(self) -> None:
        """At all from outside, and into those that are known as damaged."""
        files = await asyncio.to_thread(self._archive.listing.files)
        for path in await asyncio.to_thread(self._changed, files):
            await self._verify(path)
        for path in list(self._archive.damage.known):
            await self._verify(path)

    def _changed(self, files: Sequence[ArchiveFile]) -> list[str]:
        directory = self._archive.directory
        known = self._archive.damage.known
        return [
            file.path
            for file in files
            if file.path not in known and parquet.size(directory / file.path) != file.bytes
        ]

    def _of_the_time(self) -> list[str]:
        """Files whose time has come since the last turn."""
        from_s, now_s = self._until_s, self._clock.wall_ns() // 10**9
        self._until_s = now_s
        if now_s <= from_s:
            return []
        found = []
        for file in self._archive.listing.files():
            after_s = (xxhash.xxh3_64_intdigest(file.path.encode()) - from_s) % WEEK_S
            if after_s < now_s - from_s:
                found.append(file.path)
        return found

    async def _verify(self, path: str) -> None:
        file = self._archive.listing.get(path)
        if file is None:  # others took its place
            await self._archive.found_whole([path])
            return
        began_s = self._clock.monotonic_s()
        wrong = await asyncio.to_thread(parquet.wrong, self._archive.directory / path, file)
        if wrong and self._archive.listing.get(path) is not None:
            await self._archive.found_damaged(path, wrong)
        elif path in self._archive.damage.known:
            await self._archive.found_whole([path])
        self._metrics.add("tailrace_archive_verified_files_total")
        took_s = self._clock.monotonic_s() - began_s
        await asyncio.sleep(max(file.bytes / BYTES_PER_S - took_s, 0.0))
