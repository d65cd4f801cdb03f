"""Which slots of a rule may have read a row."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.alerts.late.reads import reads, touched
from tailrace.alerts.rule import Rule
from tailrace.core.frame import Signal
from tailrace.query.late import BUCKET_NS

S = 1_000_000_000
W = 7 * 86_400
T = 1_800_000_000 * S


def of(rule: Rule, name: str, at_ns: int = T) -> set[tuple[str, int, int]]:
    """Signal, and from how long before the row's bucket until how long after it, in seconds."""
    return {
        (one.signal.value, (first - at_ns) // S, (last - at_ns - BUCKET_NS + 1) // S)
        for one in reads(rule)
        for first, last in touched(one, {name: [at_ns]})
    }


@pytest.mark.parametrize(
    ("expr", "name", "found"),
    [
        ('sum(rate({service_name="pay"}[5m])) > 1', "pay", {("logs", 0, 300)}),
        ('sum(rate({service_name="pay"}[5m])) > 1', "shop", set()),
        ('rate({service_name=~"pa.", level="error"}[1m])', "pay", {("logs", 0, 60)}),
        ('rate({service_name!~"pa.", level="error"}[1m])', "pay", set()),
        ('rate({level="error"}[1m] offset 10m)', "any", {("logs", 600, 660)}),
        (
            'rate({service_name="a"}[1m]) / rate({service_name=~".+"}[2m])',
            "a",
            {("logs", 0, 60), ("logs", 0, 120)},
        ),
        (
            'weekly_baseline(rate({service_name="a"}[1m] offset 1m), 2)',
            "a",
            {("logs", W + 60, W + 120), ("logs", 2 * W + 60, 2 * W + 120)},
        ),
        (
            'sum(weekly_robust_zscore(rate({service_name="a"}[1m]), 3)) > 4',
            "a",
            {("logs", 0, 60), *(("logs", n * W - 1800, n * W + 1860) for n in (1, 2, 3))},
        ),
        ("vector(1)", "a", set()),
        ("rate({", "a", set()),
    ],
)
def test_of_log_lines(expr: str, name: str, found: set[tuple[str, int, int]]) -> None:
    assert of(Rule(expr, "logql", alert="A"), name) == found


@pytest.mark.parametrize(
    ("expr", "name", "found"),
    [
        ("up == 0", "up", {("metrics", 0, 300)}),
        ("up == 0", "down", set()),
        ("rate(http_requests_total[10m])", "http.requests.total", {("metrics", 0, 600)}),
        ("max_over_time(rate(x[1m])[30m:1m])", "x", {("metrics", 0, 1_860)}),
        ("x offset 5m", "x", {("metrics", 300, 600)}),
        ("x offset -5m", "x", {("metrics", -300, 0)}),
        ("weekly_baseline(x, 2)", "x", {("metrics", W, W + 300), ("metrics", 2 * W, 2 * W + 300)}),
        (
            "weekly_robust_zscore(rate(x[10m]), 3)",
            "x",
            {("metrics", 0, 600), *(("metrics", n * W - 1800, n * W + 2400) for n in (1, 2, 3))},
        ),
        ('{job="a"}', "whatever", {("metrics", 0, 300)}),
    ],
)
def test_of_samples(expr: str, name: str, found: set[tuple[str, int, int]]) -> None:
    assert of(Rule(expr, "promql", alert="A"), name) == found


def test_a_statement_may_read_everything_since_it_looks_back() -> None:
    rule = Rule("SELECT 1 AS value", "sql", alert="A", since_ns=60 * S)
    assert {one[0] for one in of(rule, "any")} == {signal.value for signal in Signal}
    assert {one[1:] for one in of(rule, "any")} == {(0, 60)}


def test_a_rule_that_is_asked_as_of_before_reads_what_was_before() -> None:
    rule = Rule('rate({service_name="pay"}[1m])', "logql", alert="A", offset_ns=30 * S)
    assert of(rule, "pay") == {("logs", 30, 90)}


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(1, 600), st.integers(0, 600))
def test_no_slot_that_reads_a_row_is_left_out(
    row_s: int, slot_s: int, range_s: int, offset_s: int
) -> None:
    rule = Rule(f'rate({{service_name="a"}}[{range_s}s] offset {offset_s}s)', "logql", alert="A")
    row_ns, slot_ns = row_s * S, slot_s * S
    read = slot_ns - (offset_s + range_s) * S < row_ns <= slot_ns - offset_s * S
    bucket = row_ns // BUCKET_NS * BUCKET_NS
    found = [span for one in reads(rule) for span in touched(one, {"a": [bucket]})]
    assert not read or any(first <= slot_ns <= last for first, last in found)
