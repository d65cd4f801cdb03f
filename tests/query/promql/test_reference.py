"""Any query over any samples gives what the slow reference gives."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tailrace.core.errors import QueryError
from tailrace.query.matrix.matrix import Matrix
from tailrace.query.plan import Grid
from tailrace.query.promql.ast import Expression
from tailrace.query.promql.samples import Samples
from tailrace.query.promql.text import text
from tailrace.query.service import QueryService

from ..conftest import BASE_S
from . import queries, reference

SECOND = 10**9
STALE = "reinterpretAsFloat64(toUInt64(9218868437227405314))"
SQL = {math.inf: "inf", -math.inf: "-inf"}

values = st.one_of(
    st.integers(-5, 5).map(float), st.integers(0, 40).map(lambda n: n / 4),
    st.sampled_from([math.nan, math.inf, reference.STALE, 0.1, 1e9]),
)  # fmt: skip
gaps = st.sampled_from([5.0, 10.0, 10.25, 15.0, 15.0, 40.0, 200.0])
labels = st.fixed_dictionaries(
    {"__name__": st.sampled_from(queries.METRICS)},
    optional={"a": st.sampled_from("xy"), "b": st.sampled_from("xy"), "id": st.sampled_from("12")},
)


@st.composite
def points(draw: Any) -> reference.Points:
    at, found = float(draw(st.sampled_from([0, 3, 60]))), []
    for gap, value in draw(st.lists(st.tuples(gaps, values), max_size=12)):
        at += gap
        found.append((at, value))
    return found


stores = st.dictionaries(labels.map(lambda one: tuple(sorted(one.items()))), points(), max_size=6)
grids = st.builds(
    lambda start, step, steps: (start, step, steps),
    st.sampled_from([0.0, 30.0, 100.0, 250.5]), st.sampled_from([1.0, 7.5, 15.0, 60.0]),
    st.integers(1, 8),
)  # fmt: skip


def sql(value: Any) -> str:
    if value is reference.STALE:
        return STALE
    return "nan" if math.isnan(value) else SQL.get(value, repr(value))


def load(engine: Any, series: dict[Any, reference.Points]) -> str:
    tenant: str = engine.tenant()
    engine.load_samples(tenant, [
        (dict(key)["__name__"], {k: v for k, v in key if k != "__name__"},
         [(t, sql(v)) for t, v in found])
        for key, found in series.items() if found
    ])  # fmt: skip
    return tenant


def expected(tree: Expression, store: reference.Store, times: list[float]) -> Any:
    """Of each step, or None where any has no answer."""
    try:
        return [reference.value(tree, store, at) for at in times]
    except reference.Refused:
        return None


def same(left: float, right: float) -> bool:
    if math.isnan(left) or math.isnan(right):
        return math.isnan(left) and math.isnan(right)
    return left == pytest.approx(right, rel=1e-9, abs=1e-6)


def check(engine: Any, series: dict[Any, reference.Points], tree: Expression, on: Any) -> None:
    # The reference counts from 1970, and so do subqueries: BASE_S is a whole day.
    moved = {key: [(BASE_S + t, v) for t, v in found] for key, found in series.items()}
    start, step, steps = on
    times = [BASE_S + start + i * step for i in range(steps)]
    store = reference.Store({k: v for k, v in moved.items() if v}, times[0], times[-1])
    want = expected(tree, store, times)
    tenant = load(engine, series)
    grid = Grid(round((BASE_S + start) * 1000) * 10**6, round(step * SECOND), steps)
    samples = Samples(QueryService(engine))
    try:
        found = asyncio.run(samples.value(tree, tenant, grid))
    except QueryError as error:
        assert want is None, (text(tree), error)
        return
    assert want is not None, text(tree)
    assert isinstance(found, Matrix)
    for place in range(steps):
        got = {
            labels: float(found.values[row, place])
            for row, labels in enumerate(found.labels)
            if found.present[row, place]
        }
        assert got.keys() == want[place].keys(), (text(tree), place)
        for key, value in got.items():
            assert same(value, want[place][key]), (text(tree), place, key, value, want[place][key])


queried = given(stores, queries.vectors(st.sampled_from([None, None, "start", "end"])), grids)
few = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
many = settings(few, max_examples=3_000)


@few
@queried
def test_a_query_is_its_reference_at_each_step(
    engine: Any, series: dict[Any, reference.Points], tree: Expression, on: Any
) -> None:
    check(engine, series, tree, on)


@pytest.mark.soak
@many
@queried
def test_thousands_of_queries_are_their_reference(
    engine: Any, series: dict[Any, reference.Points], tree: Expression, on: Any
) -> None:
    check(engine, series, tree, on)
