"""Who looks after the archive: one task, so that no two change the same files."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

from tailrace.core import log
from tailrace.core.errors import TailraceError
from tailrace.core.metrics import Metrics
from tailrace.store.archive import Archive

_log = log.get("archive")
TURN_S = 60.0


class Part(Protocol):
    """One thing that is looked after.

    `turn` does what is due, for a minute or so, and says whether more is. It raises StoreError and
    OSError; what it was at is tried again in a later turn. It may be cancelled anywhere.
    """

    async def turn(self) -> bool: ...


class Tidying:
    """Deletes files that others took the place of, when their time has come, and keeps the manifest
    short."""

    def __init__(self, archive: Archive, metrics: Metrics) -> None:
        self._archive = archive
        self._metrics = metrics

    async def turn(self) -> bool:
        """See Part."""
        await asyncio.to_thread(self._archive.leaving.sweep)
        await asyncio.to_thread(self._archive.manifest.rewrite)
        files = await asyncio.to_thread(self._archive.listing.files)
        self._metrics.set("tailrace_archive_files", len(files))
        self._metrics.set("tailrace_archive_size_bytes", sum(file.bytes for file in files))
        self._metrics.set("tailrace_archive_damaged_files", len(self._archive.damage.known))
        return False


class Upkeep:
    """Gives each of the `parts`, by name, its turn, until it is cancelled."""

    def __init__(self, parts: Mapping[str, Part], metrics: Metrics) -> None:
        self._parts = parts
        self._metrics = metrics

    async def run(self) -> None:
        """A round every TURN_S, and at once where more is due."""
        while True:
            if not await self.round():
                await asyncio.sleep(TURN_S)

    async def round(self) -> bool:
        """A turn of each: whether one of them has more to do."""
        return any([await self._turn(name, part) for name, part in self._parts.items()])

    async def _turn(self, name: str, part: Part) -> bool:
        try:
            return await part.turn()
        except (TailraceError, OSError) as error:
            _log.error("upkeep of the archive", extra={"part": name, "why": str(error)})
            self._metrics.add("tailrace_archive_upkeep_failures_total", label=name)
            return False
