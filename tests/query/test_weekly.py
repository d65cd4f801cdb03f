"""Weekly functions say what one would compute by hand of the answers for each of their times."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.examples import examples

from tailrace.core.errors import QueryError
from tailrace.core.frame import Signal
from tailrace.core.limits import QUERY_VALUES
from tailrace.query.bounds.allowance import Allowance, Policy
from tailrace.query.bounds.question import Question, asking
from tailrace.query.logql.parser import parse_metric
from tailrace.query.logs.logs import Logs
from tailrace.query.matrix.matrix import Matrix, as_matrix, matrix_of
from tailrace.query.matrix.weekly import baseline, robust_zscore
from tailrace.query.plan import Grid
from tailrace.query.promql.parser import parse
from tailrace.query.promql.samples import Samples
from tailrace.query.service import QueryService
from tailrace.query.weekly import weekly
from tailrace.query.weeks import BASELINE, SPACING_NS, WEEK_NS, ZSCORE

from .conftest import BASE_S

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
BASE = BASE_S * SECOND
WEEKS = 3
Answer = dict[Any, list[float | None]]
# One step, steps that divide the quarter of an hour between samples, and others.
GRIDS = {
    "one step": Grid(BASE + 7 * SECOND, MINUTE, 1),
    "many steps": Grid(BASE - 10 * MINUTE, MINUTE, 20),
    "steps of a quarter": Grid(BASE + 90 * SECOND, 15 * MINUTE, 4),
    "steps that do not divide": Grid(BASE, 7 * MINUTE, 5),
}
INNER = {
    "logql": [
        'sum(count_over_time({service_name=~"web|api"}[20m] offset 3m)) or vector(0)',
        'sum by (service_name) (sum_over_time({service_name=~".+"} | logfmt | unwrap n [10m]))',
        'avg_over_time({level="info"} | logfmt | unwrap n [25m] offset -5m) by (service_name)',
    ],
    "promql": [
        "sum(rate(m[20m]))",
        'avg_over_time(m{id!="1"}[10m] offset 3m)',
        'max_over_time(m{id="2"}[10m:2m]) / on () group_left () sum(m)',
    ],
}  # fmt: skip
CASES = [(language, text) for language, texts in INNER.items() for text in texts]


@dataclass
class World:
    """Lines and samples around the same time of six weeks, and who answers from them."""

    engine: Any
    tenant: str = ""
    policy: Policy | None = None
    service: QueryService = field(init=False)

    def __post_init__(self) -> None:
        self.service = QueryService(self.engine, policy=self.policy)
        if self.tenant:
            return
        self.tenant = self.engine.tenant()
        dice = random.Random(3)
        self.lines([
            (-week * WEEK_NS + dice.randrange(-90 * 60, 240 * 60) * SECOND, dice.randrange(9))
            for week in range(6)
            for _ in range(60)
        ])  # fmt: skip
        times = (
            [-week * WEEK_NS // SECOND + minute * 60 + dice.randrange(50) for week in range(6)
             for minute in range(-90, 240, 4) if dice.random() < 0.9]
        )  # fmt: skip
        self.engine.load_samples(self.tenant, [
            ("m", {"id": str(n)}, [(time, dice.randrange(20)) for time in sorted(times)])
            for n in range(3)
        ])  # fmt: skip

    def lines(self, found: list[tuple[int, int]], weight: int = 1) -> None:
        self.engine.load(self.tenant, [
            {"ns": BASE + after_ns, "seq": n, "body": f"n={value}", "weight": weight,
             "service": ("web", "web", "api")[n % 3], "severity": (9, 17)[n % 2]}
            for n, (after_ns, value) in enumerate(found)
        ])  # fmt: skip

    async def ask(self, language: str, text: str, on: Grid) -> Matrix:
        with asking(Question(self.tenant)) as question:
            if language == "promql":
                found = await Samples(self.service).value(parse(text), self.tenant, on)
            else:
                found = await Logs(self.service).metric(parse_metric(text), self.tenant, on)
        self.remarks = list(question.remarks)
        self.used = question.used
        return as_matrix(found)


@pytest.fixture(scope="module")
def world(engine: Any) -> World:
    return World(engine)


def plain(found: Matrix) -> Answer:
    return {
        labels: [
            float(value) if there else None
            for value, there in zip(found.values[row], found.present[row], strict=True)
        ]
        for row, labels in enumerate(found.labels)
        if found.present[row].any()
    }


def check(found: Matrix, expected: Matrix) -> None:
    left, right = plain(found), plain(expected)
    assert left.keys() == right.keys()
    for labels, row in left.items():
        for one, other in zip(row, right[labels], strict=True):
            assert (one is None) == (other is None)
            assert one is None or one == pytest.approx(other, rel=1e-9, abs=1e-9, nan_ok=True)


async def by_hand(inner: Callable[[Grid], Awaitable[Matrix]], function: str, on: Grid) -> Matrix:
    """Each sample of each week asked by itself."""
    beside = (0,) if function == BASELINE else (-2, -1, 0, 1, 2)
    past = [
        [
            await inner(
                Grid(on.start_ns - week * WEEK_NS + shift * SPACING_NS, on.step_ns, on.steps)
            )
            for shift in beside
        ]
        for week in range(1, WEEKS + 1)
    ]
    return baseline(past) if function == BASELINE else robust_zscore(await inner(on), past)


# There are 48 of them: the soak tries all.
@settings(max_examples=examples(16), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    case=st.sampled_from(CASES),
    function=st.sampled_from([BASELINE, ZSCORE]),
    name=st.sampled_from(list(GRIDS)),
)
def test_it_is_what_one_would_compute_by_hand(
    world: World, case: tuple[str, str], function: str, name: str
) -> None:
    (language, text), on = case, GRIDS[name]

    async def inner(on: Grid) -> Matrix:
        return await world.ask(language, text, on)

    async def body() -> None:
        # Twice: the second time from remembered steps.
        found = [await world.ask(language, f"{function}({text}, {WEEKS})", on) for _ in range(2)]
        expected = await by_hand(inner, function, on)
        # At a single time there may be nothing that changes.
        assert expected.labels or name == "one step"
        for one in found:
            check(one, expected)
        assert found[0].steps == on.steps

    asyncio.run(body())


def test_a_line_that_comes_a_week_late_changes_what_is_remembered(engine: Any) -> None:
    world = World(engine)
    text = 'weekly_baseline(sum(count_over_time({service_name=~".+"}[10m])), 1)'
    on = Grid(BASE, 5 * MINUTE, 12)

    async def ask() -> Answer:
        return plain(await world.ask("logql", text, on))

    before = asyncio.run(ask())
    held = world.service.steps.bytes
    assert held
    late = [(-WEEK_NS + 22 * MINUTE, 1)] * 3
    world.lines(late)
    assert asyncio.run(ask()) == before  # answered from what is remembered
    world.service.steps.changed(world.tenant, Signal.LOGS, BASE + late[0][0])
    after = asyncio.run(ask())
    fresh = plain(asyncio.run(World(engine, world.tenant).ask("logql", text, on)))
    assert after == fresh
    grown = [
        step
        for step, (one, other) in enumerate(zip(before[()], after[()], strict=True))
        if one != other
    ]
    assert grown == [5, 6]  # the steps at 25 and 30 minutes have minute 22 in their window


def test_of_sampled_rows_nobody_knows_how_sure_it_is_and_the_answer_says_so(engine: Any) -> None:
    world = World(engine)
    world.lines([(-WEEK_NS + 60 * SECOND, 1)], weight=20)
    on = Grid(BASE + 5 * MINUTE, MINUTE, 1)
    text = 'weekly_baseline(sum(count_over_time({service_name="web"}[10m])), 1)'
    found = asyncio.run(world.ask("logql", text, on))
    plainly = 'sum(count_over_time({service_name="web"}[10m] offset 1w))'
    assert plain(found) == plain(asyncio.run(world.ask("logql", plainly, on)))
    assert found.values[0, 0] >= 20 and found.variance is None
    asyncio.run(world.ask("logql", text, on))
    assert world.remarks == ["weekly_baseline of sampled rows: how sure it is is not known"]


def test_what_was_not_sampled_is_exact(world: World) -> None:
    text = 'weekly_baseline(sum(count_over_time({service_name="web"}[10m])))'
    found = asyncio.run(world.ask("logql", text, Grid(BASE, MINUTE, 1)))
    assert found.variance is not None and not found.variance.any()
    assert world.remarks == []


@pytest.mark.parametrize(
    ("language", "text"),
    [("logql", 'sum(count_over_time({service_name=~".+"}[30m]))'), ("promql", "sum(m)")],
)
def test_all_weeks_together_read_no_more_than_a_statement_may(
    world: World, language: str, text: str
) -> None:
    on = Grid(BASE, MINUTE, 1)
    each = [Grid(BASE - week * WEEK_NS, MINUTE, 1) for week in range(1, 9)]
    parts = []
    for one in each:
        asyncio.run(world.ask(language, text, one))
        parts.append(world.used.rows)
    # More than any week has, and less than all of them.
    most = (max(parts) + sum(parts)) // 2
    assert max(parts) < most < sum(parts)
    tight = replace(world, policy=Policy(Allowance(read_rows=most)))
    for one in each:
        asyncio.run(tight.ask(language, text, one))
    with pytest.raises(QueryError, match=r"query\.read_rows"):
        asyncio.run(tight.ask(language, f"weekly_baseline({text}, 8)", on))


def test_more_samples_than_may_be_held_are_refused_while_they_are_read() -> None:
    series = QUERY_VALUES // (11 * 5)
    asked: list[Grid] = []

    async def inner(on: Grid) -> Matrix:
        asked.append(on)
        labels = [(("id", str(n)),) for n in range(series)]
        shape = (series, on.steps)
        return Matrix(labels, np.zeros(shape), np.ones(shape, np.bool_))

    with pytest.raises(QueryError, match=r"5000000 single values \(QUERY_VALUES\)"):
        asyncio.run(weekly(ZSCORE, 4, Grid(BASE, 15 * MINUTE, 11), inner))
    assert len(asked) == 3  # now, the first week, and the second that is too much


def test_nothing_is_asked_of_times_before_1970() -> None:
    asked: list[Grid] = []

    async def inner(on: Grid) -> Matrix:
        asked.append(on)
        return matrix_of({(): [1.0] * on.steps}, on.steps)

    found = asyncio.run(weekly(BASELINE, 4, Grid(WEEK_NS, MINUTE, 1), inner))
    assert plain(found) == {(): [1.0]}
    assert asked == [Grid(0, MINUTE, 1)]
