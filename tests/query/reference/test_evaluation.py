"""The engine's answers are those of the plain evaluator, over random rows and queries."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st
from tests.examples import examples
from tests.query.matrix.reference import Labels, Refused, check_ranked, in_order

from tailrace.core.errors import QueryError
from tailrace.query.logql.ast import Metric, VectorAggregation
from tailrace.query.logql.parser import parse_log, parse_metric
from tailrace.query.logs.lines import LogRange
from tailrace.query.logs.logs import Logs
from tailrace.query.matrix.matrix import Matrix, Scalar
from tailrace.query.plan import Grid
from tailrace.query.service import QueryService

from . import evaluator, queries

SECOND = 1_000_000_000
BASE = 1_767_225_600 * SECOND
EXAMPLES = settings(
    max_examples=examples(20), deadline=None, suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
)  # fmt: skip
Steps = list[dict[Labels, float]]


def loaded(engine: Any, found: list[dict[str, Any]]) -> tuple[str, list[dict[str, Any]]]:
    """The tenant that has the rows, and the rows with their times."""
    timed = [
        {**{k: v for k, v in one.items() if k != "second"}, "seq": n,
         "ns": BASE + int(one["second"] * SECOND)}
        for n, one in enumerate(found)
    ]  # fmt: skip
    tenant: str = engine.tenant()
    if timed:
        engine.load(tenant, timed)
    return tenant, timed


def answer(engine: Any, tenant: str, query: Metric, grid: Grid) -> Matrix | Scalar:
    return asyncio.run(Logs(QueryService(engine)).metric(query, tenant, grid))


def by_step(found: Matrix | Scalar) -> Steps:
    if isinstance(found, Scalar):
        return [{(): value} for value in found.values.tolist()]
    assert len(set(found.labels)) == len(found.labels)
    return [
        {
            labels: float(found.values[row, step])
            for row, labels in enumerate(found.labels)
            if found.present[row, step]
        }
        for step in range(found.steps)
    ]


def expected(query: Metric, rows: list[dict[str, Any]], grid: Grid) -> Steps:
    times = [grid.start_ns + n * grid.step_ns for n in range(grid.steps)]
    values = [evaluator.evaluate(query, rows, time) for time in times]
    return [value if isinstance(value, dict) else {(): value} for value in values]


def close(left: Steps, right: Steps) -> bool:
    return len(left) == len(right) and all(
        one.keys() == other.keys()
        and all(
            value == other[labels]
            or math.isclose(value, other[labels], rel_tol=1e-9, abs_tol=1e-6)
            or (math.isnan(value) and math.isnan(other[labels]))
            for labels, value in one.items()
        )
        for one, other in zip(left, right, strict=True)
    )


grids = st.builds(
    lambda start, step, steps: Grid(BASE + start * SECOND, step * SECOND, steps),
    queries.STARTS, st.sampled_from([3, 4, 8, 10]), st.integers(1, 6),
)  # fmt: skip


@EXAMPLES
@given(found=queries.rows, text=queries.metric_queries, grid=grids)
def test_a_metric_query_gives_what_the_reference_gives(
    engine: Any, found: list[dict[str, Any]], text: str, grid: Grid
) -> None:
    tenant, rows = loaded(engine, found)
    query = parse_metric(text)
    try:
        wanted = expected(query, rows, grid)
    except Refused:
        event("refused")
        try:
            got = answer(engine, tenant, query, grid)
        except QueryError:
            return
        raise AssertionError(f"not refused: {text} {by_step(got)}") from None
    event("samples" if any(wanted) else "empty")
    got = by_step(answer(engine, tenant, query, grid))
    assert close(got, wanted), (text, got, wanted)


@pytest.mark.parametrize("function", queries.FUNCTIONS)
@settings(EXAMPLES, max_examples=examples(4))
@given(
    seed=st.integers(0, 10**6), grid=grids, window=st.sampled_from([1, 3, 4, 10, 16, 25]),
    parsed=st.sampled_from(["| logfmt", "| logfmt | keep n, level", "| line_format `{{__line__}}`"
                            " | logfmt"]),
    around=st.sampled_from(["{}", "{} by (level)", "sum by (level) ({})", "max by (level) ({})"]),
)  # fmt: skip
def test_each_function_of_a_range_gives_what_the_reference_gives(
    engine: Any, function: str, seed: int, grid: Grid, window: int, parsed: str, around: str
) -> None:
    """All of it in SQL with `by`, row by row without."""
    if around == "{} by (level)" and not function.startswith(queries.GROUPED):
        around = "sum by (level) ({})"
    tenant, rows = loaded(engine, queries.dense(seed))
    text = around.format(function.format(f'{{service_name="web"}} {parsed}', window))
    wanted = expected(parse_metric(text), rows, grid)
    got = by_step(answer(engine, tenant, parse_metric(text), grid))
    assert close(got, wanted), (text, grid, got, wanted)


@settings(EXAMPLES, max_examples=examples(10))
@given(
    found=queries.rows, text=queries.metric_queries, grid=grids, later=st.integers(-3, 4),
    longer=st.integers(0, 2),
)  # fmt: skip
def test_a_dashboard_that_moves_on_gives_what_the_reference_gives(
    engine: Any, found: list[dict[str, Any]], text: str, grid: Grid, later: int, longer: int
) -> None:
    """Of the second answer some steps are remembered from the first."""
    tenant, rows = loaded(engine, found)
    query = parse_metric(text)
    moved = Grid(grid.start_ns + later * grid.step_ns, grid.step_ns, grid.steps + longer)
    try:
        wanted = [expected(query, rows, one) for one in (grid, moved)]
    except Refused:
        return
    logs = Logs(QueryService(engine))
    for one, steps in zip((grid, moved), wanted, strict=True):
        got = by_step(asyncio.run(logs.metric(query, tenant, one)))
        assert close(got, steps), (text, one, got, steps)


@EXAMPLES
@given(found=queries.rows, text=queries.ranked_queries, grid=grids)
def test_the_largest_are_among_those_of_the_reference(
    engine: Any, found: list[dict[str, Any]], text: str, grid: Grid
) -> None:
    tenant, rows = loaded(engine, found)
    query = parse_metric(text)
    assert isinstance(query, VectorAggregation)
    try:
        wanted = expected(query, rows, grid)
    except Refused:
        return
    kept = by_step(answer(engine, tenant, query, grid))
    for vector, stayed in zip(wanted, kept, strict=True):
        assert query.parameter is not None
        check_ranked(query.function, query.grouping, vector, query.parameter, stayed)


@settings(EXAMPLES, max_examples=examples(10))
@given(found=queries.rows, text=queries.sorted_queries, start=queries.STARTS)
def test_an_answer_at_one_time_is_sorted(
    engine: Any, found: list[dict[str, Any]], text: str, start: int
) -> None:
    tenant, rows = loaded(engine, found)
    query = parse_metric(text)
    grid = Grid(BASE + start * SECOND, SECOND, 1)
    try:
        (vector,) = expected(query, rows, grid)
    except Refused:
        return
    got = answer(engine, tenant, query, grid)
    assert isinstance(got, Matrix)
    assert close(by_step(got), [vector]), (text, rows)
    values = got.values[:, 0].tolist()
    assert values == in_order(values, "sort_desc" in text)


@EXAMPLES
@given(
    found=queries.rows, text=queries.log_queries, limit=st.integers(1, 9), forward=st.booleans(),
    start=st.integers(0, 30), length=st.sampled_from([10, 30, 61]),
)  # fmt: skip
def test_a_log_query_gives_the_lines_of_the_reference(
    engine: Any, found: list[dict[str, Any]], text: str, limit: int, forward: bool, start: int,
    length: int,
) -> None:  # fmt: skip
    tenant, rows = loaded(engine, found)
    query = parse_log(text)
    span = LogRange(
        BASE + start * SECOND, BASE + (start + length) * SECOND, limit, forward
    )  # fmt: skip
    wanted = evaluator.lines(query, rows, span.start_ns, span.end_ns)
    event("lines" if wanted else "empty")
    got = asyncio.run(Logs(QueryService(engine)).lines(query, tenant, span))
    shown = [
        evaluator.Line(
            one.time_ns, one.line, dict(one.stream), dict(one.metadata), dict(one.parsed)
        )
        for one in got
    ]
    in_turn = wanted if forward else wanted[::-1]
    assert shown == in_turn[:limit]
