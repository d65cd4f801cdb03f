"""What is usual and how far from it a value is, against plain lists and the standard library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, median

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.examples import examples

from tailrace.core.errors import QueryError
from tailrace.query.labels import Labels
from tailrace.query.matrix.matrix import Matrix, matrix_of
from tailrace.query.matrix.weekly import baseline, robust_zscore

EXAMPLES = settings(max_examples=examples(80), deadline=None)
STEPS = 2
A: Labels = (("id", "a"),)
B: Labels = (("id", "b"),)

Series = dict[Labels, list[float | None]]

numbers = st.sampled_from([0.0, 1.0, 2.0, 2.5, -3.0, 1e-3, 1e9, math.nan, math.inf, -math.inf])
finite = st.floats(-1e12, 1e12, allow_nan=False).map(lambda one: round(one, 3))
values = st.none() | numbers | numbers | finite
series = st.dictionaries(
    st.sampled_from([A, B]), st.lists(values, min_size=STEPS, max_size=STEPS), max_size=2
)
weeks = st.lists(st.lists(series, min_size=5, max_size=5), min_size=3, max_size=6)


def matrices(found: Sequence[Sequence[Series]]) -> list[list[Matrix]]:
    return [[matrix_of(one, STEPS) for one in week] for week in found]


def plain(found: Matrix) -> Series:
    return {
        labels: [
            float(value) if there else None
            for value, there in zip(found.values[row], found.present[row], strict=True)
        ]
        for row, labels in enumerate(found.labels)
    }


def samples(week: Sequence[Series], labels: Labels, step: int) -> list[float]:
    held = (one[labels][step] for one in week if labels in one)
    return [value for value in held if value is not None and math.isfinite(value)]


def usual(found: Sequence[Sequence[Series]], labels: Labels, step: int) -> float | None:
    past = [value for week in found for value in samples(week, labels, step)]
    return median(past) if past else None


def score(
    now: float | None, found: Sequence[Sequence[Series]], labels: Labels, step: int
) -> float | None:
    each = [samples(week, labels, step) for week in found]
    if now is None or sum(len(week) >= 3 for week in each) < 3:
        return None
    past = [value for week in each for value in week]
    middle = median(past)
    away = [abs(value - middle) for value in past]
    least = abs(middle) * 1e-9
    spread = median(away) * 1.4826
    if spread <= least:
        spread = fmean(away) * 1.253314
    if spread > least:
        return (now - middle) / spread
    if math.isnan(now):
        return math.nan
    return 0.0 if abs(now - middle) <= least else math.copysign(math.inf, now - middle)


def alike(left: float | None, right: float | None) -> bool:
    if left is None or right is None:
        return left is right
    return math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-12) or left != left != right != right


def same(left: Series, right: Series) -> bool:
    right = {labels: row for labels, row in right.items() if set(row) != {None}}
    return left.keys() == right.keys() and all(
        alike(a, b) for labels, row in left.items() for a, b in zip(row, right[labels], strict=True)
    )


@EXAMPLES
@given(found=weeks)
def test_the_baseline_is_the_median_of_what_there_is(found: list[list[Series]]) -> None:
    expected: Series = {
        labels: [usual(found, labels, step) for step in range(STEPS)] for labels in (A, B)
    }
    assert same(plain(baseline(matrices(found))), expected)


@EXAMPLES
@given(now=series, found=weeks)
def test_the_score_is_that_of_iglewicz_and_hoaglin(now: Series, found: list[list[Series]]) -> None:
    expected: Series = {
        labels: [score(row[step], found, labels, step) for step in range(STEPS)]
        for labels, row in now.items()
    }
    assert same(plain(robust_zscore(matrix_of(now, STEPS), matrices(found))), expected)


def scored(now: float, *each: Sequence[float]) -> float | None:
    """Of one series at one step, with these samples of each week."""
    past = [[matrix_of({A: [value]}, 1) for value in week] for week in each]
    found = plain(robust_zscore(matrix_of({A: [now]}, 1), past))
    return found[A][0] if found else None


def test_a_value_of_one_to_nine_is_as_far_as_the_book_says() -> None:
    # The median is 5, the median of the distances 2.
    assert scored(20, [1, 2, 3], [4, 5, 6], [7, 8, 9]) == pytest.approx(15 / (1.4826 * 2))


def test_where_most_are_the_same_the_mean_distance_stands_for_the_median_one() -> None:
    # The distances are five times 0 and four times 3.
    weeks = [10, 10, 13], [10, 10, 13], [10, 13, 13]
    assert scored(13, *weeks) == pytest.approx(3 / (1.253314 * 4 / 3))
    assert scored(10, *weeks) == 0


@pytest.mark.parametrize(
    ("now", "expected"),
    [(3.0, 0.0), (4.0, math.inf), (2.0, -math.inf), (3.0 + 1e-12, 0.0), (math.inf, math.inf)],
)
def test_where_all_are_the_same_any_other_value_is_beyond_every_bound(
    now: float, expected: float
) -> None:
    assert scored(now, [3] * 5, [3] * 5, [3] * 5) == expected


def test_what_differs_by_rounding_alone_is_the_same() -> None:
    third = 0.1 + 0.2
    assert scored(0.3, [0.3, third, 0.3], [third, third, 0.3], [0.3, third, third]) == 0


@pytest.mark.parametrize(
    "each",
    [
        ([1, 2, 3, 4, 5], [1, 2, 3, 4, 5]),
        ([1, 2, 3, 4, 5], [1, 2, 3, 4, 5], [1, 2]),
        ([1, 2, 3], [math.nan, 2, 3], [1, 2, 3], [math.inf, 5, 6]),
    ],
)
def test_too_few_weeks_give_no_score(each: Sequence[Sequence[float]]) -> None:
    assert scored(7, *each) is None


def test_a_series_with_a_past_and_no_present_has_a_baseline_and_no_score() -> None:
    past = [[matrix_of({A: [1.0]}, 1)] * 5] * 3
    assert plain(baseline(past)) == {A: [1.0]}
    assert plain(robust_zscore(matrix_of({B: [1.0]}, 1), past)) == {}


def test_names_of_metrics_are_taken_away_and_two_series_never_become_one() -> None:
    named = [(("__name__", name), ("id", "a")) for name in ("m", "n")]
    past = [[matrix_of({named[0]: [2.0]}, 1)]]
    assert plain(baseline(past)) == {A: [2.0]}
    with pytest.raises(QueryError, match="the same labels"):
        baseline([[matrix_of({named[0]: [2.0], named[1]: [3.0]}, 1)]])


def test_the_variance_is_known_only_where_nothing_is_an_estimate() -> None:
    exact = matrix_of({A: [2.0]}, 1)
    estimate = Matrix(exact.labels, exact.values, exact.present, np.full((1, 1), 9.0))
    sure = baseline([[exact]] * 3).variance
    assert sure is not None and not sure.any()
    assert baseline([[exact], [estimate], [exact]]).variance is None
    assert robust_zscore(estimate, [[exact] * 3] * 3).variance is None
