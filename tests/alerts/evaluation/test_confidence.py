"""How sure a condition over sampled rows is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.alerts.evaluation.confidence import passing, threshold
from tailrace.core.errors import QueryError
from tailrace.query.logql.parser import parse_metric
from tailrace.query.matrix.matrix import Matrix

COUNT = 'sum(count_over_time({app="a"}[5m]))'


def estimate(value: float, deviation: float) -> Matrix:
    shape = (1, 1)
    return Matrix(
        [()], np.full(shape, value), np.ones(shape, np.bool_), np.full(shape, deviation**2)
    )


def passes(condition: str, value: float, deviation: float, least: float) -> bool:
    found = passing(estimate(value, deviation), threshold(parse_metric(condition)), least)
    return len(found.labels) == 1


@pytest.mark.parametrize("condition", [f"{COUNT} > 100", f"100 < {COUNT}", f"{COUNT} >= 100"])
@pytest.mark.parametrize(
    ("value", "deviation", "least", "holds"),
    [
        (120, 0, 0.99, True),
        (99, 0, 0.01, False),
        (120, 10, 0.97, True),  # two deviations beyond: 97.7%
        (120, 10, 0.98, False),
        (101, 50, 0.5, True),
        (99, 50, 0.1, False),  # it does not even hold
    ],
)
def test_a_condition_holds_where_it_is_sure_enough(
    condition: str, value: float, deviation: float, least: float, holds: bool
) -> None:
    assert passes(condition, value, deviation, least) is holds


@pytest.mark.parametrize("condition", [f"{COUNT} < 100", f"100 >= {COUNT}"])
def test_a_condition_of_too_few_is_the_mirror(condition: str) -> None:
    assert passes(condition, 80, 10, 0.97)
    assert not passes(condition, 80, 10, 0.98)


@pytest.mark.parametrize(
    "condition", [COUNT, f"{COUNT} == 3", f"{COUNT} > bool 3", f"{COUNT} > {COUNT}", "1 + 1"]
)
def test_any_other_condition_is_refused(condition: str) -> None:
    with pytest.raises(QueryError, match="min_confidence needs a condition such as"):
        threshold(parse_metric(condition))


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6), st.floats(0, 1), st.floats(0, 1))
def test_who_demands_more_gets_no_more(
    value: float, deviation: float, one: float, other: float
) -> None:
    less, more = sorted((one, other))
    assert passes(f"{COUNT} > 0", value, deviation, less) >= passes(
        f"{COUNT} > 0", value, deviation, more
    )
