"""Where late rows came, and from when to when they are asked for."""

from __future__ import annotations

from tailrace.alerts.late.arrivals import Arrivals
from tailrace.core import limits
from tailrace.core.clock import ManualClock
from tailrace.core.frame import Signal

S = 1_000_000_000
LATE_NS = int(limits.RULE_LATE_S * S)


def test_rows_that_come_as_usual_are_nothing_to_ask_for() -> None:
    clock = ManualClock()
    arrivals = Arrivals(clock)
    arrivals.changed("shop", Signal.LOGS, clock.wall_ns() - LATE_NS + 1)
    arrivals.archived("shop", Signal.LOGS, 0)
    clock.advance(60)
    assert arrivals.take() == []


def test_late_ones_are_asked_for_once_after_a_while() -> None:
    clock = ManualClock()
    arrivals = Arrivals(clock)
    stored_ns = clock.wall_ns()
    arrivals.changed("shop", Signal.LOGS, stored_ns - 60 * S)
    assert arrivals.take() == []
    clock.advance(limits.RULE_LATE_LOOK_S - 1)
    arrivals.changed("shop", Signal.LOGS, stored_ns - 90 * S)
    clock.advance(1)
    [taken] = arrivals.take()
    assert (taken.tenant, taken.signal, taken.first_ns) == ("shop", Signal.LOGS, stored_ns - 90 * S)
    # What came in until the last change was told is within.
    assert taken.from_ns < stored_ns
    assert taken.until_ns >= clock.wall_ns() - 1 * S
    assert arrivals.take() == []


def test_the_next_question_begins_where_the_last_one_ended() -> None:
    clock = ManualClock()
    arrivals = Arrivals(clock)
    windows = []
    for _ in range(3):
        arrivals.changed("shop", Signal.METRICS, clock.wall_ns() - 60 * S)
        clock.advance(limits.RULE_LATE_LOOK_S)
        [taken] = arrivals.take()
        arrivals.asked(taken)
        windows.append((taken.from_ns, taken.until_ns))
    assert [first for first, _ in windows[1:]] == [last for _, last in windows[:-1]]


def test_what_could_not_be_asked_for_is_asked_for_another_time() -> None:
    clock = ManualClock()
    arrivals = Arrivals(clock)
    arrivals.changed("shop", Signal.LOGS, clock.wall_ns() - 60 * S)
    clock.advance(limits.RULE_LATE_LOOK_S)
    [taken] = arrivals.take()
    arrivals.again(taken)
    [other] = arrivals.take()
    assert (other.from_ns, other.first_ns) == (taken.from_ns, taken.first_ns)


def test_rows_of_before_what_is_remembered_are_not_asked_for() -> None:
    clock = ManualClock()
    arrivals = Arrivals(clock)
    arrivals.changed("shop", Signal.LOGS, 0)
    clock.advance(limits.RULE_LATE_LOOK_S)
    [taken] = arrivals.take()
    assert taken.first_ns == taken.until_ns - int(limits.RULE_SAID_S * S)


def test_so_many_places_are_remembered_at_a_time() -> None:
    clock = ManualClock()
    arrivals = Arrivals(clock)
    for number in range(limits.TENANTS_COUNTED + 10):
        arrivals.changed(f"t{number}", Signal.LOGS, 1)
    clock.advance(limits.RULE_LATE_LOOK_S)
    assert len(arrivals.take()) == limits.TENANTS_COUNTED
