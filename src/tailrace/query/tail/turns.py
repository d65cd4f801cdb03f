"""Turns: hundreds who send at the same moment let others in between."""

from __future__ import annotations

import asyncio
from collections import deque

# Sends in one pass of the event loop: a millisecond of it.
EACH_PASS = 16


class Turns:
    """At most EACH_PASS take their turn in one pass of the event loop, first come, first served."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._left = EACH_PASS
        self._coming = False

    async def take(self) -> None:
        """Wait for a turn."""
        loop = asyncio.get_running_loop()
        if not self._coming:
            self._coming = True
            loop.call_soon(self._next_pass)
        if self._left and not self._waiting:
            self._left -= 1
            return
        turn = loop.create_future()
        self._waiting.append(turn)
        await turn

    def _next_pass(self) -> None:
        self._left = EACH_PASS
        while self._left and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                self._left -= 1
                turn.set_result(None)
        self._coming = self._left < EACH_PASS
        if self._coming:
            asyncio.get_running_loop().call_soon(self._next_pass)
