"""The laws of Changes: who hears of stored rows doubts what they may touch, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

import pytest

from tailrace.alerts.late.arrivals import Arrivals
from tailrace.app.changes import Each
from tailrace.core import limits
from tailrace.core.clock import ManualClock
from tailrace.core.contracts import Changes
from tailrace.core.frame import Signal
from tailrace.core.metrics import Metrics
from tailrace.query.matrix.matrix import Matrix, matrix_of
from tailrace.query.plan import Grid
from tailrace.query.steps import StepCache, StepKey

S = 1_000_000_000
PLACES = [(tenant, signal) for tenant in ("shop", "bank") for signal in Signal]


class Hearing(Protocol):
    """One that hears, and knows something of a time in the past."""

    changes: Changes
    at_ns: int

    def doubted(self) -> list[tuple[str, Signal]]:
        """Of which tenants and signals it doubts what was at `at_ns`."""
        ...


class Steps:
    """Kept steps, one of each place."""

    def __init__(self) -> None:
        clock = ManualClock()
        self.changes = self._cache = StepCache(Metrics(), clock, lag_s=0.0)
        self.at_ns = clock.wall_ns() - 60 * S
        self._evaluated: list[tuple[str, Signal]] = []
        self.doubted()

    def doubted(self) -> list[tuple[str, Signal]]:
        async def ask(place: tuple[str, Signal]) -> None:
            async def evaluate(grid: Grid) -> Matrix:
                self._evaluated.append(place)
                return matrix_of({(): [1.0] * grid.steps}, grid.steps)

            await self._cache.evaluate(StepKey(*place, "l", "q"), Grid(self.at_ns, S, 2), evaluate)

        self._evaluated = []
        for place in PLACES:
            asyncio.run(ask(place))
        return self._evaluated


class Late:
    """Rows that came late."""

    def __init__(self) -> None:
        self._clock = ManualClock()
        self.changes = self._arrivals = Arrivals(self._clock)
        self.at_ns = self._clock.wall_ns() - 60 * S

    def doubted(self) -> list[tuple[str, Signal]]:
        self._clock.advance(limits.RULE_LATE_LOOK_S)
        taken = self._arrivals.take()
        return [(one.tenant, one.signal) for one in taken if one.first_ns <= self.at_ns]


class Both:
    """Each, over the two."""

    def __init__(self) -> None:
        self._all: Sequence[Hearing] = (Steps(), Late())
        self.changes = Each(*(one.changes for one in self._all))
        self.at_ns = self._all[0].at_ns

    def doubted(self) -> list[tuple[str, Signal]]:
        found = [sorted(one.doubted()) for one in self._all]
        assert found[0] == found[1]
        return found[0]


@pytest.fixture(params=[Steps, Late, Both], ids=["steps", "late rows", "each"])
def hearing(request: pytest.FixtureRequest) -> Hearing:
    make: Callable[[], Hearing] = request.param
    return make()


@pytest.mark.parametrize("before_s", [0, 10, 10**9], ids=["then", "before", "at any time"])
def test_what_rows_may_touch_is_doubted(hearing: Hearing, before_s: int) -> None:
    hearing.changes.changed("shop", Signal.LOGS, max(hearing.at_ns - before_s * S, 0))
    assert hearing.doubted() == [("shop", Signal.LOGS)]


def test_what_came_before_them_is_not(hearing: Hearing) -> None:
    hearing.changes.changed("shop", Signal.LOGS, hearing.at_ns + 10 * S)
    assert hearing.doubted() == []


def test_nothing_is_doubted_for_what_is_only_archived(hearing: Hearing) -> None:
    hearing.changes.archived("shop", Signal.LOGS, hearing.at_ns)
    assert hearing.doubted() == []


def test_it_is_told_again_and_again(hearing: Hearing) -> None:
    for place in PLACES:
        for later_s in (0, 30):
            hearing.changes.changed(*place, hearing.at_ns + later_s * S)
    assert sorted(hearing.doubted()) == sorted(PLACES)
