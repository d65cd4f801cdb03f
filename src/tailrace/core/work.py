"""Where bodies are decoded and guarded: on the event loop when they are small, else in a thread; in
turns that are fair to tenants."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tailrace.core import limits
from tailrace.core.budget import ByteBudget
from tailrace.core.errors import InputError, TailraceError
from tailrace.core.log import get

# Below these sizes a thread costs more than the work; compressed bytes may grow much.
_INLINE_BYTES = 64 * limits.KIB
_INLINE_COMPRESSED_BYTES = 8 * limits.KIB
# Two threads bound the memory of expanded bodies, however many connections there are.
_THREADS = 2
# A body that arrived is worth more patience than one that has not.
_WAIT_S = 60.0

_T = TypeVar("_T")


class Work:
    """Runs what one room of a process does to bodies. Used from one event loop.

    While several tenants send, none has both threads: the other is free for whoever comes. And of
    all that is ready on the loop, one body is decoded before the loop looks for new requests, so
    that a tenant with many connections is not served on all of them before another's one.
    """

    def __init__(self, room: str) -> None:
        """`room` names its threads and its logger."""
        self._log = get(room)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix=room)
        self._thread_turns = ByteBudget(_THREADS, _WAIT_S, reserve=1)
        self._loop_turns = ByteBudget(1, _WAIT_S)

    async def run(self, size_bytes: int, encoded: bool, tenant: str, task: Callable[[], _T]) -> _T:
        """`task`, which expands and checks a body of `size_bytes`. Raises Busy."""
        if size_bytes <= (_INLINE_COMPRESSED_BYTES if encoded else _INLINE_BYTES):
            return await self._on_the_loop(tenant, task)
        return await self.in_thread(tenant, task)

    async def in_thread(self, tenant: str, task: Callable[[], _T]) -> _T:
        """`task` in a thread, whatever its size. Raises Busy."""
        async with self._thread_turns.hold(1, tenant):
            loop = asyncio.get_running_loop()
            running = loop.run_in_executor(self._threads, self._caught, task)
            try:
                return await asyncio.shield(running)
            except asyncio.CancelledError:
                # The turn lasts as long as the thread is at it.
                await asyncio.wait([running])
                raise
            finally:
                # A failure would hold this frame, which holds the failure, and with it the body.
                del running

    async def _on_the_loop(self, tenant: str, task: Callable[[], _T]) -> _T:
        await self._loop_turns.take(1, tenant)
        try:
            return self._caught(task)
        finally:
            asyncio.get_running_loop().call_soon(self._loop_turns.give, 1, tenant)

    def close(self) -> None:
        """Let the threads go."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _caught(self, task: Callable[[], _T]) -> _T:
        """No input may become a 500: what nobody foresaw is refused, and logged."""
        try:
            return task()
        except TailraceError:
            raise
        except Exception as error:
            self._log.exception("a body could not be worked on")
            raise InputError("body is malformed", "malformed") from error
