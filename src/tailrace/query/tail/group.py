"""Groups: the followers of one tenant and one query, who share its evaluation."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable
from typing import TypeAlias

from tailrace.core import limits
from tailrace.query.logql.ast import LogQuery
from tailrace.query.logs.entries import Entry
from tailrace.query.pipeline.pipeline import Pipeline
from tailrace.query.tail.outlet import Key, Outlet
from tailrace.query.tail.selector import Selector

Passed: TypeAlias = tuple[Entry, Key]


class Group:
    """Raises QueryError for a query that cannot be evaluated here.

    With `delay_ns` lines are held back that long after their time, or after they came where that
    is earlier, so that those which come late are put in order. Beyond TAIL_FOLLOWER_ROWS the
    oldest are let go early.
    """

    def __init__(self, tenant: str, query: LogQuery, delay_ns: int) -> None:
        self.tenant = tenant
        self.query = query
        self.delay_ns = delay_ns
        self.selector = Selector(query.matchers)
        self.pipeline = Pipeline(query.stages)
        self.outlets: set[Outlet] = set()
        self._numbers = itertools.count()
        self._held: list[tuple[int, int, Passed]] = []

    @property
    def forms(self) -> frozenset[bool]:
        """How messages are wanted: with labels by where they come from, or all in the stream."""
        return frozenset(outlet.categorize for outlet in self.outlets)

    def held(self) -> Iterable[Key]:
        """The frames of the lines that are held back, one for each line."""
        return (key for _, _, (_, key) in self._held)

    def due_ns(self) -> int | None:
        """When the next line is to be let go; None when none is held."""
        return self._held[0][0] if self._held else None

    def let_go(self, passed: Iterable[Passed], now_ns: int) -> list[Entry]:
        """Take lines, and give those whose time has come."""
        if not self.delay_ns:
            return [entry for entry, _ in passed]
        for one in passed:
            due = min(one[0].time_ns, now_ns) + self.delay_ns
            heapq.heappush(self._held, (due, next(self._numbers), one))
        gone = []
        while self._held and (
            self._held[0][0] <= now_ns or len(self._held) > limits.TAIL_FOLLOWER_ROWS
        ):
            gone.append(heapq.heappop(self._held)[2][0])
        return gone
