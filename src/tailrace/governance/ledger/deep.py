"""Deep verification, asked for: rows are counted again where they are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from tailrace.core import limits
from tailrace.core.clock import Clock
from tailrace.core.contracts import Position
from tailrace.core.errors import StoreError
from tailrace.core.ledger import Compared, Gone
from tailrace.core.ledgerreport import DeepReport
from tailrace.governance import deletions
from tailrace.governance.control import Control

AGAIN_S = 2.0
DAY_NS = 86_400_000_000_000


class Frames(Protocol):
    """Who can compare; see store.deep.Deep."""

    async def compare(
        self, tenant: str, since_ns: int, upto: Position, gone: Sequence[Gone], source: str = ""
    ) -> Compared: ...


class DeepReports:
    """One at a time: it reads everything."""

    def __init__(
        self, frames: Frames, handled: Callable[[], Position], control: Control, clock: Clock
    ) -> None:
        """`handled`: the place of the queue up to which all is stored and archived."""
        self._frames = frames
        self._handled = handled
        self._control = control
        self._clock = clock
        self._running = asyncio.Lock()

    async def of(self, tenant: str, since_ns: int, source: str = "") -> DeepReport:
        """Frames of before the record of frames goes back are not compared. Raises StoreError, also
        while another runs."""
        if self._running.locked():
            raise StoreError("another deep verification is running")
        async with self._running:
            oldest_ns = self._clock.wall_ns() - limits.FRAMES_KEPT_DAYS * DAY_NS
            return await self._of(tenant, max(since_ns, oldest_ns), source)

    async def _of(self, tenant: str, since_ns: int, source: str) -> DeepReport:
        upto = self._handled()
        found = await self._compared(tenant, since_ns, upto, source)
        differing = found.differing
        if differing:
            # Rows may have been counted a moment before they were recorded or left.
            await asyncio.sleep(AGAIN_S)
            again = await self._compared(tenant, since_ns, upto, source)
            differing = [one for one in differing if one in again.differing]
        truncated = len(differing) == limits.DEEP_FRAMES
        return DeepReport(since_ns, found.frames, found.rows, differing, truncated)

    async def _compared(self, tenant: str, since_ns: int, upto: Position, source: str) -> Compared:
        gone = await self._control.read(lambda c: deletions.hot(c, tenant, limits.DEEP_DELETIONS))
        return await self._frames.compare(tenant, since_ns, upto, gone, source)
