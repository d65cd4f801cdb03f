"""When slots that late rows came for are due."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tailrace.alerts.late.touched import Span, Touched
from tailrace.core import limits

RULE = ("shop", "r")
QUIET = limits.RULE_LATE_QUIET_S


def test_slots_are_due_when_no_more_rows_came_for_a_while() -> None:
    touched = Touched()
    touched.touch(RULE, [(0, 10)], 100.0)
    touched.touch(RULE, [(5, 20)], 100.0 + QUIET - 1)
    assert touched.due(100.0 + QUIET) == {}
    assert touched.due(100.0 + 2 * QUIET - 1) == {RULE: [(0, 20)]}
    assert touched.due(100.0 + 9 * QUIET) == {}


def test_rows_that_keep_coming_delay_them_only_so_long() -> None:
    touched = Touched()
    now_s = 0.0
    while not (found := touched.due(now_s)):
        touched.touch(RULE, [(0, 10)], now_s)
        now_s += QUIET / 2
    assert found == {RULE: [(0, 10)]}
    assert limits.RULE_LATE_LONGEST_S <= now_s <= limits.RULE_LATE_LONGEST_S + QUIET


def test_ranges_that_are_too_many_are_one() -> None:
    touched = Touched()
    touched.touch(RULE, [(n * 10, n * 10 + 1) for n in range(limits.RULE_LATE_SPANS + 1)], 0.0)
    assert touched.due(QUIET) == {RULE: [(0, limits.RULE_LATE_SPANS * 10 + 1)]}


def test_rules_that_are_no_more_are_forgotten() -> None:
    touched = Touched()
    touched.touch(RULE, [(0, 10)], 0.0)
    touched.retain([])
    assert touched.due(QUIET) == {}


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 9)), min_size=1, max_size=40))
def test_no_slot_is_lost(pairs: list[tuple[int, int]]) -> None:
    touched = Touched()
    spans: list[Span] = [(first, first + more) for first, more in pairs]
    for span in spans:
        touched.touch(RULE, [span], 0.0)
    found = touched.due(QUIET)[RULE]
    assert all(any(a <= first and last <= b for a, b in found) for first, last in spans)
    assert found == sorted(found)
    assert len(found) <= limits.RULE_LATE_SPANS
