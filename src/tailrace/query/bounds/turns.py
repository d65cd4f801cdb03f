"""Whose turn it is: queries run a few at a time, and tenants take turns.

A tenant never has more than its share running, so there is room for another's query, or will be as
soon as any one ends: of the tenants that wait, the one with the fewest running is next, and of
those with as many, each in its turn.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tailrace.core.errors import Busy
from tailrace.core.fair import FairQueue
from tailrace.core.metrics import Metrics
from tailrace.query.bounds.allowance import Policy

_RETRY_S = 2.0


class Turns:
    """At most as many at once as `policy` says, of all tenants and of each."""

    def __init__(self, policy: Policy, metrics: Metrics) -> None:
        self._policy = policy
        self._metrics = metrics
        self._running: Counter[str] = Counter()
        self._waiting: FairQueue[asyncio.Future[None]] = FairQueue()

    @asynccontextmanager
    async def turn(self, tenant: str) -> AsyncIterator[None]:
        """A place to run, after a wait of `policy.wait_s` at most. Raises Busy."""
        if self._waiting or not self._has_room(tenant):
            await self._wait(tenant)
        else:
            self._running[tenant] += 1
        self._measure()
        try:
            yield
        finally:
            self._leave(tenant)

    def _has_room(self, tenant: str) -> bool:
        return (
            self._running.total() < self._policy.running
            and self._running[tenant] < self._policy.of(tenant).running
        )

    async def _wait(self, tenant: str) -> None:
        most = self._policy.of(tenant).waiting
        if self._waiting.count(tenant) >= most:
            raise _busy(f"{most} queries of the tenant wait already (query.waiting)")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(tenant, turn)
        self._let_in()
        self._measure()
        try:
            async with asyncio.timeout(self._policy.wait_s):
                await turn
        except BaseException as error:
            if not self._waiting.remove(tenant, turn):
                self._leave(tenant)  # its turn came at the same moment
            self._measure()
            if isinstance(error, TimeoutError):
                message = f"other queries took all of {self._policy.wait_s:g} s (query.wait)"
                raise _busy(message) from None
            raise

    def _leave(self, tenant: str) -> None:
        self._running[tenant] -= 1
        if not self._running[tenant]:
            del self._running[tenant]
        self._let_in()
        self._measure()

    def _let_in(self) -> None:
        """Give what is free to those that wait."""
        while ready := [one for one in self._waiting.tenants() if self._has_room(one)]:
            tenant = min(ready, key=lambda one: self._running[one])
            self._running[tenant] += 1
            self._waiting.take(tenant).set_result(None)

    def _measure(self) -> None:
        self._metrics.set("tailrace_query_running", self._running.total())
        self._metrics.set("tailrace_query_waiting", len(self._waiting))


def _busy(why: str) -> Busy:
    return Busy(f"{why}; try again", _RETRY_S, overload=False)
