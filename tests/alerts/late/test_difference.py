"""What differs between what a rule gave and what it gives with late rows."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given as drawn
from hypothesis import strategies as st

from tailrace.alerts.late.difference import difference, given
from tailrace.alerts.late.memory import NOTHING, Memory, Run, packed
from tailrace.alerts.rule import Rule
from tailrace.core.alerting import Labels
from tailrace.query.matrix.matrix import matrix_of

from ..evaluation.answers import alerting

STEP = 15_000_000_000
BASE = 1_800_000_000_000_000_000
RECORDS = Rule("x", "promql", record="x")
A: Labels = (("host", "a"),)
B: Labels = (("host", "b"),)
KEY = ("shop", "r")


def runs(sets: list[set[Labels]]) -> list[Run]:
    memory = Memory()
    memory.put(KEY, BASE, STEP, [packed(map(hash, one)) for one in sets])
    return list(memory.runs(KEY))


def differs(rule: Rule, before: list[set[Labels]], after: list[set[Labels]]) -> tuple[object, ...]:
    named = {hash(labels): labels for one in after for labels in one}
    found = difference(rule, runs(before), runs(after), STEP, named)
    return found.held, found.left, found.missed, found.unfounded


def test_an_alert_that_would_have_fired_is_named() -> None:
    assert differs(alerting(), [set(), set()], [set(), {A}]) == (1, 0, (A,), 0)


def test_one_that_did_not_hold_long_enough_would_not_have() -> None:
    rule = alerting(for_s=30)
    before = [set[Labels]() for _ in range(4)]
    assert differs(rule, before, [{A}, {A}, set(), {A}]) == (3, 0, (), 0)
    assert differs(rule, before, [{A}, {A}, {A}, set()]) == (3, 0, (A,), 0)


def test_one_that_fired_and_would_not_have_is_counted() -> None:
    assert differs(alerting(for_s=15), [{A}, {A, B}], [set(), {A, B}]) == (0, 1, (), 1)


def test_one_that_fired_later_is_not_missed() -> None:
    rule = alerting(for_s=15)
    assert differs(rule, [set(), {A}, {A}], [{A}, {A}, {A}]) == (1, 0, (), 0)


def test_a_gap_begins_for_anew() -> None:
    rule = alerting(for_s=15)
    parts = runs([{A}, {A}])
    apart = [
        replace(parts[0], last_ns=BASE),
        replace(parts[0], first_ns=BASE + 3 * STEP, last_ns=BASE + 3 * STEP),
    ]
    found = difference(rule, apart, apart, STEP, {})
    assert (found.missed, found.unfounded) == ((), 0)
    assert difference(rule, apart, runs([{A}, {A}]), STEP, {hash(A): A}).missed == ()


def test_a_recorded_value_that_is_another_one_counts() -> None:
    before, _ = given(RECORDS, matrix_of({A: [1.0, 2.0]}, 2))
    after, _ = given(RECORDS, matrix_of({A: [1.0, 3.0], B: [None, 1.0]}, 2))
    memory = Memory()
    memory.put(KEY, BASE, STEP, before)
    was = list(memory.runs(KEY))
    memory.put(KEY, BASE, STEP, after, again=True)
    found = difference(RECORDS, was, memory.runs(KEY), STEP, {})
    assert (found.held, found.left, found.missed, found.unfounded) == (2, 1, (), 0)


def test_a_sum_in_another_order_is_the_same_value() -> None:
    one, _ = given(RECORDS, matrix_of({A: [0.1 + 0.2 + 0.3]}, 1))
    other, _ = given(RECORDS, matrix_of({A: [0.3 + 0.2 + 0.1]}, 1))
    assert one == other


def test_the_value_of_what_alerts_does_not_count() -> None:
    one, named = given(alerting(), matrix_of({A: [1.0, None]}, 2))
    other, _ = given(alerting(), matrix_of({A: [2.0, None]}, 2))
    assert one == other == [packed(named), NOTHING]
    assert set(named.values()) == {A}


SETS = st.lists(st.sets(st.sampled_from([A, B])), min_size=6, max_size=6)


def _fires(sets: list[set[Labels]], slots: int) -> set[Labels]:
    """Slot by slot, as the state machine counts."""
    return {
        one
        for one in (A, B)
        for n in range(len(sets) - slots)
        if all(one in sets[n + k] for k in range(slots + 1))
    }


@drawn(SETS, SETS, st.integers(0, 3))
def test_missed_and_unfounded_are_what_counting_slots_gives(
    before: list[set[Labels]], after: list[set[Labels]], slots: int
) -> None:
    _, _, missed, unfounded = differs(alerting(for_s=15 * slots), before, after)
    fired, fires = _fires(before, slots), _fires(after, slots)
    assert missed == tuple(sorted(fires - fired))
    assert unfounded == len(fired - fires)
