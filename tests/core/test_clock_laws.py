"""The laws of a Clock. Both implementations are held to them, and the one that the writer's
simulation is done with; add one to `CLOCKS`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager

import pytest

from tailrace.core.clock import Clock, ManualClock, SystemClock

from ..writer.simulation import LoopClock, SimulatedLoop

Moved = tuple[Clock, Callable[[float], None]]


@contextmanager
def system() -> Iterator[Moved]:
    yield SystemClock(), time.sleep


@contextmanager
def manual() -> Iterator[Moved]:
    clock = ManualClock()
    yield clock, clock.advance


@contextmanager
def simulated() -> Iterator[Moved]:
    with closing(SimulatedLoop()) as loop:

        def move(seconds: float) -> None:
            loop.call_later(seconds, loop.stop)
            loop.run_forever()

        yield LoopClock(loop), move


CLOCKS: dict[str, Callable[[], AbstractContextManager[Moved]]] = {
    "system": system,
    "manual": manual,
    "the writer's simulation": simulated,
}


@pytest.fixture(params=CLOCKS)
def moved(request: pytest.FixtureRequest) -> Iterator[Moved]:
    with CLOCKS[request.param]() as found:
        yield found


def test_the_monotonic_clock_counts_seconds_and_never_goes_back(moved: Moved) -> None:
    clock, move = moved
    before_s = clock.monotonic_s()
    move(0.01)
    passed_s = clock.monotonic_s() - before_s
    assert 0.0099 <= passed_s < 5.0


def test_the_wall_clock_counts_whole_nanoseconds_since_1970(moved: Moved) -> None:
    clock, move = moved
    before_ns = clock.wall_ns()
    move(0.01)
    passed_ns = clock.wall_ns() - before_ns
    assert isinstance(before_ns, int)
    assert time.gmtime(before_ns // 10**9).tm_year in range(2024, 2100)
    assert 9_900_000 <= passed_ns < 5 * 10**9


def test_a_wall_clock_that_jumps_back_leaves_the_monotonic_one_alone() -> None:
    clock = ManualClock()
    wall_ns, monotonic_s = clock.wall_ns(), clock.monotonic_s()
    clock.jump_wall(-60.0)
    assert clock.wall_ns() == wall_ns - 60 * 10**9
    assert clock.monotonic_s() == monotonic_s
