"""Items from a thread to a coroutine, a few at a time."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Handover(Generic[_T]):
    """One thread puts, one coroutine iterates, at most `depth` items wait between them.

    `put` and `end` are the thread's, the rest is the loop's. The iteration ends after `end()`, and
    raises the error of `end(error)`.
    """

    def __init__(self, depth: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._items: asyncio.Queue[_T | _End] = asyncio.Queue()
        self._room = threading.Semaphore(depth)
        self._closed = threading.Event()

    def put(self, item: _T, deadline_s: float) -> bool:
        """Hand over `item`, when there is room. False when nobody wants more of them.

        Raises TimeoutError when there is no room until `time.monotonic()` is `deadline_s`.
        """
        if not self._room.acquire(timeout=max(0.0, deadline_s - time.monotonic())):
            raise TimeoutError
        if self._closed.is_set():
            return False
        self._loop.call_soon_threadsafe(self._items.put_nowait, item)
        return True

    def end(self, error: Exception | None = None) -> None:
        """Nothing comes any more."""
        self._loop.call_soon_threadsafe(self._items.put_nowait, _End(error))

    def __aiter__(self) -> AsyncIterator[_T]:
        return self

    async def __anext__(self) -> _T:
        item = await self._items.get()
        if not isinstance(item, _End):
            self._room.release()
            return item
        raise item.error or StopAsyncIteration

    def close(self) -> None:
        """Nobody wants more."""
        self._closed.set()
        self._room.release()


class _End:
    def __init__(self, error: Exception | None) -> None:
        self.error = error
