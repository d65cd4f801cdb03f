"""The token bucket against a model in whole tokens, and what it promises over any time."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.core.clock import ManualClock
from tailrace.gateway.admission.bucket import Meter, TokenBucket
from tailrace.gateway.admission.quota import Rate

STEPS = st.lists(
    st.tuples(st.integers(0, 64), st.integers(0, 400)), min_size=1, max_size=60
)  # eighths of a second to wait, and an amount to ask for


class Model:
    """The same rule in exact numbers: what arrived since the start, less what was spent."""

    def __init__(self, rate: int, burst: int) -> None:
        self.rate, self.burst = rate, burst
        self.level = Fraction(burst)

    def pass_time(self, eighths: int) -> None:
        self.level = min(Fraction(self.burst), self.level + Fraction(self.rate * eighths, 8))

    def takes(self, amount: int) -> bool:
        if min(amount, self.burst) > self.level:
            return False
        self.level -= amount
        return True


@given(st.integers(1, 100), st.integers(1, 200), STEPS)
def test_it_takes_what_the_model_takes(rate: int, burst: int, steps: list[tuple[int, int]]) -> None:
    clock = ManualClock()
    bucket, model = TokenBucket(rate, burst, clock.monotonic_s()), Model(rate, burst)
    for eighths, amount in steps:
        clock.advance(eighths / 8)
        model.pass_time(eighths)
        taken = bucket.wait_s(amount, clock.monotonic_s()) <= 1e-9
        assert taken == model.takes(amount)
        if taken:
            bucket.take(amount, clock.monotonic_s())
        assert bucket.level(clock.monotonic_s()) == pytest.approx(float(model.level), abs=1e-6)


@given(st.integers(1, 100), st.integers(1, 200), STEPS)
def test_no_more_comes_in_than_burst_rate_and_one_amount(
    rate: int, burst: int, steps: list[tuple[int, int]]
) -> None:
    clock = ManualClock()
    bucket, total = TokenBucket(rate, burst, 0.0), 0
    for eighths, amount in steps:
        clock.advance(eighths / 8)
        if not bucket.wait_s(amount, clock.monotonic_s()):
            bucket.take(amount, clock.monotonic_s())
            total += amount
        largest = max(amount for _, amount in steps)
        assert total <= burst + rate * clock.monotonic_s() + largest + 1e-6


@given(st.integers(1, 100), st.integers(1, 200), STEPS)
def test_who_waits_as_long_as_told_comes_in(
    rate: int, burst: int, steps: list[tuple[int, int]]
) -> None:
    clock = ManualClock()
    bucket = TokenBucket(rate, burst, 0.0)
    for _, amount in steps:
        clock.advance(bucket.wait_s(amount, clock.monotonic_s()) + 1e-9)
        assert bucket.wait_s(amount, clock.monotonic_s()) == pytest.approx(0, abs=1e-6)
        bucket.take(amount, clock.monotonic_s())


def test_a_clock_that_stands_still_or_goes_back_fills_nothing() -> None:
    bucket = TokenBucket(10, 10, 5.0)
    bucket.take(10, 5.0)
    assert (bucket.level(5.0), bucket.level(4.0), bucket.level(5.5)) == (0, 0, 5)


def test_what_is_given_back_never_passes_the_burst() -> None:
    bucket = TokenBucket(10, 10, 0.0)
    bucket.take(25, 0.0)
    bucket.give(25)
    bucket.give(25)
    assert bucket.level(0.0) == 10


def test_a_meter_without_a_rate_never_waits_and_says_nothing() -> None:
    meter = Meter(Rate(rows_per_second=5), 2.0, 0.0)
    assert meter.waits(1e12, 10, 0.0) == (0.0, 0.0)
    meter.take(1e12, 10, 0.0)
    assert meter.waits(1e12, 5, 0.0) == (0.0, 1.0)
    assert meter.left(1.0) == {"rows_per_second": 5.0}
