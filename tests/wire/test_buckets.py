"""Exponential buckets count what they say, at every scale."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.core import limits
from tailrace.core.errors import InputError, TooLarge
from tailrace.wire.buckets import SCALES, exponential

_values = st.lists(st.floats(1e-9, 1e9) | st.floats(-1e9, -1e-9) | st.just(0.0), min_size=1)


def index(value: float, scale: int) -> int:
    """Of the bucket (b**i, b**(i+1)] that holds a positive value; none is on a bound here."""
    return math.ceil(math.log2(value) * 2.0**scale) - 1


def run(values: list[float], scale: int) -> tuple[int, list[int]]:
    places = [index(value, scale) for value in values]
    if not places:
        return 0, []
    counts = [0] * (max(places) - min(places) + 1)
    for place in places:
        counts[place - min(places)] += 1
    return min(places), counts


@settings(deadline=None)
@given(_values, st.integers(-11, 6))
def test_a_bucket_counts_the_values_up_to_its_bound(values: list[float], scale: int) -> None:
    negative = run([-value for value in values if value < 0], scale)
    positive = run([value for value in values if value > 0], scale)
    zeros = sum(value == 0 for value in values)
    found = exponential(scale, [negative], (0.0, zeros), [positive], len(values))
    bounds = [bound for bound, _ in found]
    assert bounds == sorted(set(bounds))
    assert found[-1] == (math.inf, len(values))
    assert len(found) <= limits.BUCKETS_PER_POINT
    for bound, total in found:
        # A value within rounding of a bound may be counted on either side.
        surely = sum(value < bound - abs(bound) * 1e-9 for value in values)
        perhaps = sum(value <= bound + abs(bound) * 1e-9 for value in values)
        assert surely <= total <= perhaps, (bound, found)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=3000), st.integers(-5000, 5000))
def test_many_buckets_are_made_fewer_and_lose_no_count(counts: list[int], offset: int) -> None:
    found = exponential(10, [(offset, counts)], (0.0, 3), [(offset, counts)], 2 * sum(counts) + 3)
    assert len(found) <= limits.BUCKETS_PER_POINT
    assert found[-1] == (math.inf, 2 * sum(counts) + 3)


@given(
    st.dictionaries(st.integers(-4000, 4000), st.integers(1, 9), max_size=40),
    st.integers(-4, 20),
)
def test_buckets_in_several_runs_are_the_same_as_in_one(counts: dict[int, int], scale: int) -> None:
    places = range(min(counts, default=0), max(counts, default=0) + 1)
    whole = [(places[0], [counts.get(index, 0) for index in places])]
    apart = [(index, [number]) for index, number in counts.items()]
    total = sum(counts.values())
    for negative in (False, True):
        found = [
            exponential(scale, *([runs, (0.0, 1), []] if negative else [[], (0.0, 1), runs]), total)
            for runs in (whole, apart)
        ]
        assert found[0] == found[1]
        assert found[0][-1][1] == total + 1


def test_runs_too_far_apart_for_any_scale_are_refused_at_once() -> None:
    with pytest.raises(TooLarge, match="buckets"):
        exponential(20, [], (0.0, 0), [(0, [1]), (2**60, [1])], 2)


def test_bounds_that_mean_the_same_are_the_same_number_at_every_scale() -> None:
    fine = exponential(5, [], (0.0, 0), [(0, [1] * 65)], 65)
    coarse = exponential(4, [], (0.0, 0), [(0, [2] * 32)], 64)
    assert {bound for bound, _ in coarse} <= {bound for bound, _ in fine}


@pytest.mark.parametrize("offset", [-(2**31), 2**31 - 1, 1 << 24])
@pytest.mark.parametrize("scale", [SCALES[0], 0, SCALES[-1]])
def test_bounds_beyond_all_numbers_are_infinite_or_zero(scale: int, offset: int) -> None:
    found = exponential(scale, [(offset, [1])], (math.nan, 1), [(offset, [1])], 3)
    assert found[-1] == (math.inf, 3)
    assert all(not math.isnan(bound) for bound, _ in found)


def test_a_scale_that_cannot_be_is_refused() -> None:
    for scale in (-12, 21, 2**31 - 1):
        with pytest.raises(InputError, match="scale"):
            exponential(scale, [], (0.0, 0), [(0, [1])], 1)


def test_an_empty_histogram_is_one_bucket() -> None:
    assert exponential(3, [(0, [])], (0.0, 0), [(7, [0, 0])], 0) == [(math.inf, 0)]
