"""Writes the canary's lines, and asks how far they have come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from tailrace.alerts.latency.canary import Beat, Canary
from tailrace.core.errors import TailraceError
from tailrace.core.log import get

_log = get("alerts")
_RETRY_S = 1.0
# Asked again after so long; the line waits and is later meanwhile.
_STORED_S = 30.0


class Way(Protocol):
    """The way that all lines take.

    `write` returns when they are durable, and calls `received` when they are about to be decoded;
    it raises TailraceError when they were not taken. `stored` waits until queries find what is
    durable by now, False when they do not within `timeout_s`.
    """

    async def write(
        self, run: str, beats: Sequence[Beat], received: Callable[[], None]
    ) -> None: ...

    async def stored(self, timeout_s: float) -> bool: ...


class Pulse:
    """A line every `every_s`. One that is refused is offered again, as a sender would do it."""

    def __init__(self, canary: Canary, way: Way, every_s: float) -> None:
        self._canary = canary
        self._way = way
        self._every_s = every_s
        self._made = asyncio.Event()
        self._durable = asyncio.Event()

    async def run(self) -> None:
        """Until it is cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for part in (self._make, self._write, self._follow):
                    tasks.create_task(part())
        except Exception:  # the watch says so: no line comes through any more
            _log.exception("the canary has ended")

    async def _make(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            self._canary.make()
            self._made.set()

    async def _write(self) -> None:
        while True:
            await self._made.wait()
            self._made.clear()
            if not await self.write():
                await asyncio.sleep(_RETRY_S)
                self._made.set()

    async def write(self) -> bool:
        """Offer what was not taken yet; False when it still was not."""
        beats = self._canary.waiting(None, "durable")

        def received() -> None:
            self._canary.reached("received", beats)

        try:
            await self._way.write(self._canary.run, beats, received)
        except TailraceError as error:
            _log.warning("a line of the canary was refused", extra={"why": str(error)})
            return False
        self._canary.reached("durable", beats)
        self._durable.set()
        return True

    async def _follow(self) -> None:
        while True:
            await self._durable.wait()
            self._durable.clear()
            if not await self.follow():
                self._durable.set()

    async def follow(self) -> bool:
        """Wait until queries find what is durable; False when they did not for long."""
        beats = self._canary.waiting("durable", "queryable")
        if not await self._way.stored(_STORED_S):
            return False
        self._canary.reached("queryable", beats)
        return True
