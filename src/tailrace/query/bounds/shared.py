"""Statements that are under way, so that who asks the same meanwhile waits for the same answer.

The panels of a page are asked at once, and several count the same rows; and when something breaks,
many open the same page.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from tailrace.core import limits
from tailrace.core.clock import Clock
from tailrace.query.plan import Statement

_T = TypeVar("_T")


@dataclass
class _UnderWay(Generic[_T]):
    task: asyncio.Task[_T]
    began_s: float
    until_s: float
    waiting: int = 0


class Shared(Generic[_T]):
    """One run for all that ask the same within `lately_s` of its beginning. Used from one event
    loop."""

    def __init__(self, clock: Clock, lately_s: float = limits.QUERY_SHARED_S) -> None:
        self._clock = clock
        self._lately_s = lately_s
        self._under_way: dict[Hashable, _UnderWay[_T]] = {}

    async def run(self, key: Hashable, until_s: float, begin: Callable[[], Awaitable[_T]]) -> _T:
        """What `begin()` gives, or what one gives that began lately and may run as long.

        `until_s`: the monotonic time at which this one's time is over. Raises what the run raises.
        It is cancelled when nobody waits for it any more.
        """
        one = self._under_way.get(key)
        if one is None or not self._serves(one, until_s):
            one = self._begin(key, until_s, begin)
        one.waiting += 1
        try:
            return await asyncio.shield(one.task)
        finally:
            one.waiting -= 1
            if not one.waiting:
                one.task.cancel()

    def _serves(self, one: _UnderWay[_T], until_s: float) -> bool:
        """Whether its rows are as new as wanted, and it is not stopped much earlier. One that
        nobody waits for is being ended."""
        late_s = self._clock.monotonic_s() - one.began_s
        again = max(late_s, until_s - one.until_s) > self._lately_s
        return one.waiting > 0 and not again

    def _begin(
        self, key: Hashable, until_s: float, begin: Callable[[], Awaitable[_T]]
    ) -> _UnderWay[_T]:
        async def whole() -> _T:
            return await begin()

        task = asyncio.create_task(whole())
        one = self._under_way[key] = _UnderWay(task, self._clock.monotonic_s(), until_s)
        task.add_done_callback(partial(self._ended, key, one))
        return one

    def _ended(self, key: Hashable, one: _UnderWay[_T], task: asyncio.Task[_T]) -> None:
        if self._under_way.get(key) is one:
            del self._under_way[key]
        if not task.cancelled():
            task.exception()  # those who waited have it, or have left


def same(statement: Statement, *beside: Hashable) -> Hashable:
    """A key that two statements share when they have the same rows."""
    values = {**statement.parameters, **statement.settings}
    held = [(k, tuple(v) if isinstance(v, list) else v) for k, v in sorted(values.items())]
    return (statement.sql, tuple(held), statement.bounds, *beside)
