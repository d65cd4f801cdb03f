"""A bound on what is held at the same time, over all connections, shared fairly by tenants."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tailrace.core import limits
from tailrace.core.errors import Busy
from tailrace.core.fair import FairQueue

_Entry = tuple[int, "asyncio.Future[None]"]


class ByteBudget:
    """Bytes, or whatever `hold` counts. Used from one event loop.

    Of one tenant, first come first served. Of several that wait, the one that holds least goes
    next, in turns. While more than one was seen in the last TENANT_ACTIVE_S, none that holds
    something may take what leaves less than `reserve` free: whoever comes next finds room at once,
    however slowly a noisy tenant gives back.
    """

    def __init__(
        self,
        total_bytes: int,
        wait_s: float = 10.0,
        reserve: int = 0,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._free = total_bytes
        self._wait_s = wait_s
        self._reserve = reserve
        self._now_s = now_s
        self._waiting: FairQueue[_Entry] = FairQueue()
        self._held: dict[str, int] = {}
        # When the last two tenants were here: of any, whether another was is then known.
        self._seen: OrderedDict[str, float] = OrderedDict()

    @property
    def free_bytes(self) -> int:
        return self._free

    def held(self, tenant: str) -> int:
        """What this tenant holds now."""
        return self._held.get(tenant, 0)

    @asynccontextmanager
    async def hold(self, size_bytes: int, tenant: str = "") -> AsyncIterator[None]:
        """Hold `size_bytes`, at most the total. Raises Busy when they are not free in time."""
        await self.take(size_bytes, tenant)
        try:
            yield
        finally:
            self.give(size_bytes, tenant)

    async def take(self, size_bytes: int, tenant: str = "") -> None:
        """Hold `size_bytes` until they are given back. Raises Busy."""
        self._see(tenant)
        if not self._waiting and self._fits(size_bytes, tenant):
            self._grant(size_bytes, tenant)
            return
        entry = (size_bytes, asyncio.get_running_loop().create_future())
        self._waiting.add(tenant, entry)
        self._wake()
        try:
            async with asyncio.timeout(self._wait_s):
                await entry[1]
        except BaseException as error:
            self._leave(tenant, entry)
            if isinstance(error, TimeoutError):
                raise Busy("too many bodies at the same time; try again", 1.0) from error
            raise

    def give(self, size_bytes: int, tenant: str = "") -> None:
        """Give back what was taken."""
        self._free += size_bytes
        left = self.held(tenant) - size_bytes
        if left:
            self._held[tenant] = left
        else:
            self._held.pop(tenant, None)
        self._wake()

    def _see(self, tenant: str) -> None:
        self._seen[tenant] = self._now_s()
        self._seen.move_to_end(tenant)
        if len(self._seen) > 2:
            self._seen.popitem(last=False)

    def _alone(self, tenant: str) -> bool:
        """Whether no other tenant was here of late."""
        for other in reversed(self._seen):
            if other != tenant:
                return self._now_s() - self._seen[other] > limits.TENANT_ACTIVE_S
        return True

    def _fits(self, size_bytes: int, tenant: str) -> bool:
        kept = self._reserve if self.held(tenant) and not self._alone(tenant) else 0
        return size_bytes + kept <= self._free

    def _grant(self, size_bytes: int, tenant: str) -> None:
        self._free -= size_bytes
        self._held[tenant] = self.held(tenant) + size_bytes

    def _leave(self, tenant: str, entry: _Entry) -> None:
        """Undo an entry that no longer waits, also one whose turn came at the same moment."""
        if self._waiting.remove(tenant, entry):
            self._wake()
        elif entry[1].done() and not entry[1].cancelled():
            self.give(entry[0], tenant)

    def _wake(self) -> None:
        while self._waiting:
            # The order of turns decides between those that hold the same.
            tenant = min(self._waiting.tenants(), key=self.held)
            size_bytes, turn = self._waiting.first(tenant)
            if not turn.done() and not self._fits(size_bytes, tenant):
                return
            self._waiting.take(tenant)
            if not turn.done():
                self._grant(size_bytes, tenant)
                turn.set_result(None)
