"""Thresholds are OpenTelemetry's, and the bits of a trace id are its last fifty-six."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.core import limits
from tailrace.wire import consistent


@pytest.mark.parametrize(
    ("weight", "text"),
    [
        # The table of the specification, at the four digits that it recommends.
        (1, "0"), (2, "8"), (3, "aaab"), (4, "c"), (5, "cccd"), (8, "e"), (10, "e666"),
        (16, "f"), (100, "fd70a"), (1_000, "ffbe77"), (10_000, "fff9724"),
        (100_000, "ffff583a"), (1_000_000, "ffffef39"),
    ],
)  # fmt: skip
def test_a_threshold_is_the_one_that_the_specification_lists(weight: int, text: str) -> None:
    assert consistent.text(consistent.threshold(weight)) == text


@given(st.integers(1, limits.SAMPLE_WEIGHT))
def test_a_threshold_lets_one_row_in_weight_through(weight: int) -> None:
    share = 1 - consistent.threshold(weight) / consistent.NONE
    assert share * weight == pytest.approx(1, rel=1.3e-4)


@given(st.integers(1, limits.SAMPLE_WEIGHT - 1))
def test_a_lower_rate_has_no_lower_threshold(weight: int) -> None:
    assert consistent.threshold(weight) <= consistent.threshold(weight + 1)


def test_nothing_taken_is_no_probability() -> None:
    assert consistent.text(consistent.NONE) == ""


@given(st.integers(1, 2**128 - 1))
def test_the_bits_of_a_trace_id_are_its_last(number: int) -> None:
    for form in ("032x", "032X"):
        assert consistent.randomness(f"{number:{form}}".encode()) == number % 2**56


@pytest.mark.parametrize("text", [b"", b"null", b"0" * 32, b"1" * 31, b"1" * 33, b"g" * 32])
def test_what_is_no_trace_id_has_no_bits(text: bytes) -> None:
    assert consistent.randomness(text) is None
