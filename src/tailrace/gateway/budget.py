"""A bound on bytes held at the same time, over all connections."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tailrace.core.errors import Busy


class ByteBudget:
    """First come, first served. Used from one event loop."""

    def __init__(self, total_bytes: int, wait_s: float = 10.0) -> None:
        self._free = total_bytes
        self._wait_s = wait_s
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def free_bytes(self) -> int:
        return self._free

    @asynccontextmanager
    async def hold(self, size_bytes: int) -> AsyncIterator[None]:
        """Hold `size_bytes`, at most the total. Raises Busy when they are not free in time."""
        await self._take(size_bytes)
        try:
            yield
        finally:
            self._free += size_bytes
            self._wake()

    async def _take(self, size_bytes: int) -> None:
        if not self._waiting and size_bytes <= self._free:
            self._free -= size_bytes
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (size_bytes, turn)
        self._waiting.append(entry)
        try:
            async with asyncio.timeout(self._wait_s):
                await turn
        except BaseException as error:
            self._leave(entry)
            if isinstance(error, TimeoutError):
                raise Busy("too many bodies at the same time; try again", 1.0) from error
            raise

    def _leave(self, entry: tuple[int, asyncio.Future[None]]) -> None:
        """Undo an entry that no longer waits, also one whose turn came at the same moment."""
        if entry in self._waiting:
            self._waiting.remove(entry)
        elif entry[1].done() and not entry[1].cancelled():
            self._free += entry[0]
        self._wake()

    def _wake(self) -> None:
        while self._waiting:
            size_bytes, turn = self._waiting[0]
            if turn.done():
                self._waiting.popleft()
                continue
            if size_bytes > self._free:
                return
            self._waiting.popleft()
            self._free -= size_bytes
            turn.set_result(None)
