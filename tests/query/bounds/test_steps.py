"""The cache of steps, against the same queries without it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.examples import examples

from tailrace.core.clock import ManualClock
from tailrace.core.frame import Signal
from tailrace.core.metrics import Metrics
from tailrace.query.bounds.question import Question, asking, remark
from tailrace.query.labels import Labels
from tailrace.query.matrix.matrix import Matrix, matrix_of
from tailrace.query.plan import Grid
from tailrace.query.steps import StepCache, StepKey

RANGE_NS = 25
KEY = StepKey("shop", Signal.LOGS, "logql", "count_over_time({}[25ns])")
Answer = dict[Labels, list[float | None]]
Row = tuple[int, str]


def counted(rows: list[Row], on: Grid, ahead_ns: int = 0) -> Matrix:
    """Rows of each series in `(t + ahead - range, t + ahead]`, absent where there is none."""
    found: Answer = {}
    for step in range(on.steps):
        end = on.start_ns + step * on.step_ns + ahead_ns
        for time, name in rows:
            if end - RANGE_NS < time <= end:
                values = found.setdefault((("name", name),), [None] * on.steps)
                values[step] = (values[step] or 0.0) + 1.0
    return matrix_of(found, on.steps)


def plain(matrix: Matrix) -> Answer:
    return {
        labels: [
            float(v) if there else None
            for v, there in zip(matrix.values[i], matrix.present[i], strict=True)
        ]
        for i, labels in enumerate(matrix.labels)
    }


@dataclass
class World:
    """Rows, a cache, and how often and what it asks."""

    cache: StepCache
    clock: ManualClock
    rows: list[Row] = field(default_factory=list)
    asked: list[Grid] = field(default_factory=list)

    def insert(self, *times: int, name: str = "a") -> None:
        self.rows += [(time, name) for time in times]
        self.cache.changed("shop", Signal.LOGS, min(times))

    def settle(self) -> None:
        """Until what was inserted lately is no longer news."""
        self.clock.advance(60)

    def ask(self, start: int, steps: int, step: int = 10, ahead: int = 0) -> Answer:
        async def evaluate(on: Grid) -> Matrix:
            self.asked.append(on)
            return counted(self.rows, on, ahead)

        grid = Grid(start, step, steps)
        found = plain(asyncio.run(self.cache.evaluate(KEY, grid, evaluate, ahead)))
        assert found == plain(counted(self.rows, grid, ahead))
        return found


def world(max_bytes: int = 1_000_000) -> World:
    clock = ManualClock()
    return World(StepCache(Metrics(), clock, max_bytes, lag_s=10), clock)


def test_what_was_asked_before_is_not_evaluated_again() -> None:
    here = world()
    here.insert(5, 95)
    here.settle()
    here.ask(0, 11)
    here.ask(0, 11)
    here.ask(30, 4)
    assert here.asked == [Grid(0, 10, 11)]


def test_only_the_missing_tail_or_head_is_evaluated() -> None:
    here = world()
    here.insert(5, 95, 145)
    here.settle()
    here.ask(50, 6)
    here.ask(60, 9)
    here.ask(20, 5)
    here.ask(20, 13)
    assert here.asked == [Grid(50, 10, 6), Grid(110, 10, 4), Grid(20, 10, 3)]


def remarks(here: World, on: Grid, says: str = "") -> list[str]:
    """On an answer, of which `says` is remarked while it is evaluated."""

    async def evaluate(missing: Grid) -> Matrix:
        remark(*([says] if says else []))
        return counted(here.rows, missing)

    with asking(Question("shop")) as question:
        asyncio.run(here.cache.evaluate(KEY, on, evaluate))
    return list(question.remarks)


def test_a_remark_on_a_step_is_told_wherever_the_step_is() -> None:
    here = world()
    assert remarks(here, Grid(0, 10, 5), "sampled") == ["sampled"]
    assert remarks(here, Grid(0, 10, 5)) == ["sampled"]
    assert remarks(here, Grid(20, 10, 8), "mended") == ["sampled", "mended"]
    assert remarks(here, Grid(60, 10, 2)) == ["sampled", "mended"]


def test_a_remark_goes_with_the_steps_that_it_was_made_on() -> None:
    here = world()
    remarks(here, Grid(0, 10, 5), "sampled")
    here.cache.changed("shop", Signal.LOGS, 0)
    here.settle()
    assert remarks(here, Grid(0, 10, 5)) == []


def test_a_range_around_what_is_kept_is_evaluated_once_and_whole() -> None:
    here = world()
    here.ask(50, 2)
    here.ask(0, 20)
    here.ask(0, 20)
    assert here.asked == [Grid(50, 10, 2), Grid(0, 10, 20)]


def test_another_step_or_phase_is_another_grid() -> None:
    here = world()
    here.ask(0, 10)
    here.ask(5, 10)
    here.ask(0, 10, step=5)
    here.ask(0, 10)
    here.ask(5, 10)
    assert len(here.asked) == 3


def test_a_row_drops_the_steps_from_its_time_on_and_no_other() -> None:
    here = world()
    here.insert(5, 45, 85)
    here.settle()
    here.ask(0, 11)
    here.insert(50, name="b")
    here.ask(0, 11)
    here.insert(51)
    here.ask(0, 11)
    assert here.asked[1:] == [Grid(50, 10, 6), Grid(50, 10, 6)]
    here.settle()
    here.ask(0, 11)
    here.insert(61)
    here.ask(0, 11)
    assert here.asked[3:] == [Grid(50, 10, 6), Grid(70, 10, 4)]


def test_a_query_that_looks_ahead_loses_the_steps_that_saw_the_row() -> None:
    here = world()
    here.insert(5, 45, 85)
    here.settle()
    here.ask(0, 11, ahead=20)
    here.insert(60)
    here.ask(0, 11, ahead=20)
    assert here.asked[1:] == [Grid(40, 10, 7)]


def test_other_tenants_and_signals_are_not_concerned() -> None:
    here = world()
    here.ask(0, 11)
    here.cache.changed("other", Signal.LOGS, 0)
    here.cache.changed("shop", Signal.METRICS, 0)
    here.ask(0, 11)
    assert len(here.asked) == 1


def test_what_changed_a_moment_before_a_query_is_not_kept_of_it() -> None:
    here = world()
    here.insert(50)
    here.clock.advance(9)
    here.ask(0, 11)
    here.ask(0, 11)
    assert here.asked[1:] == [Grid(50, 10, 6)]
    here.clock.advance(3)
    here.ask(0, 11)
    here.ask(0, 11)
    assert len(here.asked) == 3


def test_a_query_that_fails_keeps_nothing() -> None:
    here = world()

    async def fail(on: Grid) -> Matrix:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        asyncio.run(here.cache.evaluate(KEY, Grid(0, 10, 5), fail))
    here.ask(0, 5)
    assert len(here.asked) == 1


def test_what_is_kept_is_bounded_and_the_longest_unasked_goes_first() -> None:
    here = world(20_000)
    here.insert(*range(0, 1000, 10))
    here.settle()
    size = 0
    for phase in range(8):
        here.ask(phase, 100)
        size = max(size, here.cache.bytes)
        here.ask(0, 100)
    assert 12_000 < size <= 20_000
    asked = len(here.asked)
    here.ask(0, 100)
    assert len(here.asked) == asked
    here.ask(1, 100)
    assert len(here.asked) == asked + 1


def test_one_that_is_too_large_is_not_kept() -> None:
    here = world(4_000)
    here.insert(*range(0, 1000, 10))
    here.settle()
    here.ask(0, 100)
    assert here.cache.bytes == 0


def test_a_dashboard_that_refreshes_for_long_keeps_no_more_steps_than_a_query_may_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tailrace.core.limits.QUERY_STEPS", 30)
    here = world()
    for refresh in range(50):
        here.ask(refresh * 10, 20)
    (entry,) = here.cache._entries.values()
    assert entry.matrix.steps == 30
    assert here.asked[1:] == [Grid(190 + n * 10, 10, 1) for n in range(1, 50)]


class Race:
    """Queries that are under way while rows come in."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.cache = StepCache(Metrics(), self.clock, 200_000, lag_s=10)
        self.rows: list[Row] = []
        self.hidden: list[Row] = []
        self.open: list[tuple[asyncio.Task[Matrix], asyncio.Event, asyncio.Event]] = []

    def show(self, rows: list[Row]) -> None:
        """Queries see these rows; the cache does not know yet."""
        self.rows = self.rows + rows
        self.hidden += rows

    def tell(self) -> None:
        if self.hidden:
            self.cache.changed("shop", Signal.LOGS, min(time for time, _ in self.hidden))
            self.hidden = []

    async def begin(self, on: Grid, ahead: int) -> None:
        read, go = asyncio.Event(), asyncio.Event()

        async def evaluate(part: Grid) -> Matrix:
            await read.wait()
            rows = self.rows
            await go.wait()
            return counted(rows, part, ahead)

        task = asyncio.create_task(self.cache.evaluate(KEY, on, evaluate, ahead))
        self.open.append((task, read, go))
        await asyncio.sleep(0)

    async def read(self, which: int) -> None:
        """An open query reads the rows as they are."""
        if self.open:
            self.open[which % len(self.open)][1].set()
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    async def end(self, which: int) -> None:
        if self.open:
            task, read, go = self.open.pop(which % len(self.open))
            read.set()
            go.set()
            await task

    async def check(self, on: Grid, ahead: int) -> None:
        """What is answered when no query and no change is under way is right."""

        async def evaluate(part: Grid) -> Matrix:
            return counted(self.rows, part, ahead)

        self.tell()
        found = await self.cache.evaluate(KEY, on, evaluate, ahead)
        assert plain(found) == plain(counted(self.rows, on, ahead))


# Few grids that share many steps, so that what one query keeps another uses.
grids = st.builds(
    lambda phase, first, steps: Grid(first * 10 + phase, 10, steps),
    st.sampled_from([0, 0, 0, 3]), st.integers(0, 3), st.integers(6, 12),
)  # fmt: skip
rows = st.lists(st.tuples(st.integers(0, 150), st.sampled_from("abc")), min_size=1, max_size=2)


def test_a_query_that_began_before_a_row_and_ends_after_it_keeps_no_step_that_has_the_row() -> None:
    async def run(told: str) -> None:
        race = Race()
        await race.begin(Grid(0, 10, 11), 0)
        await race.read(0)
        race.show([(50, "a")])
        if told == "before the end":
            race.tell()
        await race.end(0)
        await race.check(Grid(0, 10, 11), 0)
        assert race.cache.bytes > 0

    for told in ("before the end", "after the end"):
        asyncio.run(run(told))


actions = st.one_of(
    st.tuples(st.just("show"), rows),
    st.tuples(st.just("tell")),
    st.tuples(st.just("begin"), grids),
    st.tuples(st.just("read"), st.integers(0, 5)),
    st.tuples(st.just("end"), st.integers(0, 5)),
    st.tuples(st.just("check"), grids),
    st.tuples(st.just("advance"), st.sampled_from([1.0, 20.0])),
)


@settings(max_examples=examples(50), deadline=None)
@given(
    st.lists(actions, min_size=10, max_size=40),
    st.lists(grids, min_size=1, max_size=5),
    st.sampled_from([0, 20]),
)
def test_answers_are_those_without_a_cache_whatever_happens_at_the_same_time(
    done: list[tuple[str, ...]], after: list[Grid], ahead: int
) -> None:
    async def run() -> None:
        race = Race()
        ways: dict[str, Callable[..., Awaitable[None]]] = {
            "begin": lambda on: race.begin(on, ahead),
            "read": race.read,
            "end": race.end,
            "check": lambda on: race.check(on, ahead),
        }
        for name, *arguments in done:
            if name == "show":
                race.show(list(arguments[0]))  # type: ignore[arg-type]  # of the strategy
            elif name == "tell":
                race.tell()
            elif name == "advance":
                race.clock.advance(float(arguments[0]))
            else:
                await ways[name](*arguments)
        while race.open:
            await race.end(0)
        for on in after:
            await race.check(on, ahead)

    asyncio.run(run())


@settings(max_examples=examples(40), deadline=None)
@given(st.lists(st.tuples(grids, rows, st.floats(0, 12)), min_size=1, max_size=12))
def test_a_query_may_use_what_was_known_ten_seconds_before(
    done: list[tuple[Grid, list[Row], float]],
) -> None:
    """As one does that knows labels from a list that is read again every ten seconds."""
    here = world()
    loaded_s, names = -math.inf, set[str]()

    async def evaluate(on: Grid) -> Matrix:
        nonlocal loaded_s, names
        if here.clock.monotonic_s() - loaded_s >= 10:
            loaded_s, names = here.clock.monotonic_s(), {name for _, name in here.rows}
        return counted([row for row in here.rows if row[1] in names], on)

    for on, more, wait_s in done:
        asyncio.run(here.cache.evaluate(KEY, on, evaluate))
        here.rows += more
        here.cache.changed("shop", Signal.LOGS, min(time for time, _ in more))
        here.clock.advance(wait_s)
    here.settle()
    for on, _, _ in done:
        found = plain(asyncio.run(here.cache.evaluate(KEY, on, evaluate)))
        assert found == plain(counted(here.rows, on))


def test_steps_of_the_archive_are_kept_apart_and_end_with_its_changes() -> None:
    with asking(Question("shop", exact="archive")):
        exact = StepKey("shop", Signal.LOGS, "logql", KEY.text)
    assert (exact == KEY, exact.exact) == (False, "archive")
    clock = ManualClock()
    cache = StepCache(Metrics(), clock)
    grid = Grid(100, 10, 4)
    evaluated: list[tuple[str, int]] = []

    def both() -> list[tuple[str, int]]:
        """Which of the two was evaluated, for how many steps."""

        async def ask(key: StepKey) -> None:
            async def part(missing: Grid) -> Matrix:
                evaluated.append((key.exact, missing.steps))
                return counted([(101, "a")], missing)

            await cache.evaluate(key, grid, part)

        for key in (KEY, exact):
            asyncio.run(ask(key))
        found, evaluated[:] = list(evaluated), []
        return found

    assert both() == [("", 4), ("archive", 4)]
    assert both() == []
    cache.archived("shop", Signal.LOGS, 120)
    assert both() == [("archive", 2)]
    clock.advance(60)
    assert both() == [("archive", 2)]  # what was kept of the last one was of a moment of change
    cache.changed("shop", Signal.LOGS, 130)
    assert both() == [("", 1)]
