"""Packing of the archive: many small files become few large ones, when nothing else is to be done.

Which, packing.py says. A pack is written beside what it is made of, and takes its place in one line
of the manifest. A crash before that line leaves a file that nobody lists, one after it leaves files
that count no more; both kinds are deleted when the archive opens. So each row is there once.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Sequence

from tailrace.core import limits, log
from tailrace.core.clock import Clock
from tailrace.core.errors import StoreError
from tailrace.core.metrics import Metrics
from tailrace.store.archive import Archive
from tailrace.store.entries import ArchiveFile
from tailrace.store.packing import next_pack
from tailrace.store.rewriting import Rewriter

_log = log.get("archive")
# Of a turn; others who look after the archive have theirs in between.
TURN_S = 60.0
# Files that could not be packed are left alone for so long.
HELD_S = 3_600.0


class Compaction:
    """Packs files of an open archive; `busy` says when not to."""

    def __init__(
        self,
        archive: Archive,
        rewriter: Rewriter,
        busy: Callable[[], bool],
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._archive = archive
        self._rewriter = rewriter
        self._busy = busy
        self._clock = clock
        self._metrics = metrics
        # Until when files are left alone, by path.
        self._held: dict[str, float] = {}

    async def turn(self) -> bool:
        """Pack what is due, for TURN_S, half of the time: whether more is due. Raises OSError."""
        until_s = self._clock.monotonic_s() + TURN_S
        while not self._busy():
            run = await asyncio.to_thread(self._next)
            if not run:
                return False
            began_s = self._clock.monotonic_s()
            if began_s >= until_s:
                return True
            await self._tried(run)
            await asyncio.sleep(self._clock.monotonic_s() - began_s)
        return False

    def _next(self) -> list[ArchiveFile]:
        now_ns, now_s = self._clock.wall_ns(), self._clock.monotonic_s()
        self._held = {path: until for path, until in self._held.items() if until > now_s}
        apart = self._held.keys() | self._archive.damage.known.keys()
        for files in self._archive.listing.days():
            run = next_pack([file for file in files if file.path not in apart], now_ns)
            if run:
                return run
        return []

    async def _tried(self, run: Sequence[ArchiveFile]) -> None:
        try:
            await self._pack(run)
        except (StoreError, OSError) as error:
            _log.error("files of the archive were not packed", extra={"why": str(error)})
            self._metrics.add("tailrace_archive_upkeep_failures_total", label="pack")
            until_s = self._clock.monotonic_s() + HELD_S
            self._held.update((file.path, until_s) for file in run)

    async def _pack(self, run: Sequence[ArchiveFile]) -> None:
        await self._check_room(run)
        if damaged := await self._rewriter.damaged(run):
            for path, wrong in damaged.items():
                await self._archive.found_damaged(path, wrong)
            return
        packed = await self._rewriter.written(run)
        if packed.rows != sum(file.rows for file in run):
            raise StoreError(f"{packed.path}: the manifest says another number of rows")
        await self._archive.swap("compacted", run, [packed])
        self._metrics.add("tailrace_archive_packed_files_total", len(run))
        self._metrics.add("tailrace_archive_packed_bytes_total", packed.bytes)

    async def _check_room(self, run: Sequence[ArchiveFile]) -> None:
        """For the pack, and for what the engine sorts on disk, which is as large at most."""
        size = sum(file.bytes for file in run)
        free = (await asyncio.to_thread(shutil.disk_usage, self._archive.directory)).free
        if free < 8 * size + limits.ENGINE_RESERVE_BYTES:
            raise StoreError("there is not enough room on the disk to pack files")
