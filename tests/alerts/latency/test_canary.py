"""How far the lines of a canary have come, and what the watch makes of it."""

from __future__ import annotations

import threading

import pytest

from tailrace.alerts.latency.canary import Beat, Canary, p99
from tailrace.alerts.latency.watch import Watch, verdict
from tailrace.core import limits
from tailrace.core.clock import ManualClock
from tailrace.core.metrics import Metrics


class Play:
    """A canary whose clock the test moves."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.metrics = Metrics()
        self.canary = Canary(self.clock, self.metrics)
        self.watch = Watch(self.canary, self.clock, self.metrics)

    def comes_through(self, late_s: float = 1.0) -> Beat:
        """A line that needs so long, all of it at the end."""
        beat = self.canary.make()
        self.clock.advance(late_s)
        self.canary.reached("received", [beat])
        self.canary.reached("durable", [beat])
        self.canary.reached("queryable", [beat])
        self.canary.evaluated(beat.number)
        return beat


@pytest.fixture
def it() -> Play:
    return Play()


def test_each_stage_is_as_late_as_it_was(it: Play) -> None:
    beat = it.canary.make()
    for stage in ("received", "durable", "queryable"):
        it.clock.advance(1.0)
        it.canary.reached(stage, [beat])  # type: ignore[arg-type]
    it.clock.advance(1.0)
    it.canary.evaluated(beat.number)
    worst = {stage: one.worst_s for stage, one in it.canary.delays().items()}
    assert worst == {"received": 1.0, "durable": 2.0, "queryable": 3.0, "evaluated": 4.0}
    assert 'tailrace_canary_seconds_bucket{kind="evaluated",le="5"} 1' in it.metrics.render()


def test_an_evaluation_that_sees_a_line_has_seen_what_was_durable_before_it(it: Play) -> None:
    first, second, third = (it.canary.make() for _ in range(3))
    it.canary.reached("durable", [first, second])
    it.clock.advance(2.0)
    it.canary.evaluated(third.number)
    assert it.canary.delays()["evaluated"].count == 2
    assert it.canary.delays()["queryable"].count == 2
    assert it.canary.state().waiting == 1


def test_a_stage_is_reached_once(it: Play) -> None:
    beat = it.comes_through()
    it.canary.reached("queryable", [beat])
    it.canary.evaluated(beat.number)
    assert {one.count for one in it.canary.delays().values()} == {1}


def test_a_clock_that_is_set_changes_no_delay(it: Play) -> None:
    beat = it.canary.make()
    it.canary.reached("durable", [beat])
    it.clock.jump_wall(-86_400.0)
    it.clock.advance(3.0)
    it.canary.evaluated(beat.number)
    assert it.canary.delays()["evaluated"].worst_s == 3.0


def test_all_is_in_time_while_lines_come_through(it: Play) -> None:
    for _ in range(100):
        it.comes_through(17.0)
    assert it.watch.look().words == ""
    assert it.metrics.get("tailrace_alerts_late", "slow") == 0


def test_one_late_line_among_hundreds_is_no_warning_and_two_are(it: Play) -> None:
    it.comes_through(50.0)
    for _ in range(170):
        it.comes_through(5.0)
    assert not it.watch.look().slow
    it.comes_through(50.0)
    it.comes_through(50.0)
    found = it.watch.look()
    assert found.slow
    assert not found.silent
    assert "within 50 s" in found.words
    assert it.metrics.get("tailrace_alerts_late", "slow") == 1


def test_what_was_late_a_quarter_of_an_hour_ago_is_over(it: Play) -> None:
    it.comes_through(50.0)
    it.comes_through(50.0)
    it.clock.advance(limits.ALERTS_LATE_WINDOW_S)
    it.comes_through(1.0)
    assert it.watch.look().words == ""


def test_a_line_that_waits_is_as_late_as_it_is_by_now(it: Play) -> None:
    it.comes_through()
    beat = it.canary.make()
    it.canary.reached("received", [beat])
    it.canary.reached("durable", [beat])
    it.clock.advance(46.0)
    found = it.watch.look()
    assert found.slow
    assert "the oldest waits to be found by queries, for 46 s" in found.words


def test_a_minute_without_a_line_is_said(it: Play) -> None:
    it.comes_through()
    it.clock.advance(limits.ALERTS_SILENT_S)
    assert not it.watch.look().silent
    it.clock.advance(1.0)
    found = it.watch.look()
    assert found.silent
    assert found.words == "for 61 s no line of the canary has come through; none is written"
    it.comes_through()
    assert it.watch.look().words == ""


def test_it_is_said_when_it_begins_now_and_then_and_when_it_is_over(
    it: Play, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    it.clock.advance(61.0)
    for _ in range(10):
        it.watch.look()
    assert len(caplog.messages) == 1
    it.clock.advance(limits.ALERTS_LATE_WINDOW_S)
    it.watch.look()
    assert len(caplog.messages) == 2
    it.comes_through()
    it.watch.look()
    assert caplog.messages[2:] == ["alerts are in time again"]


def test_where_another_server_evaluates_a_line_has_come_through_when_a_query_finds_it(
    it: Play,
) -> None:
    it.canary.evaluates(False)
    beat = it.canary.make()
    it.canary.reached("durable", [beat])
    it.canary.reached("queryable", [beat])
    assert it.canary.state().waiting == 0
    it.clock.advance(59.0)
    assert it.watch.look().words == ""


def test_a_server_that_begins_to_evaluate_has_a_minute_for_it(it: Play) -> None:
    it.canary.evaluates(False)
    it.clock.advance(3_600.0)
    it.canary.evaluates(True)
    it.clock.advance(59.0)
    assert not it.watch.look().silent
    it.clock.advance(2.0)
    assert it.watch.look().silent


def test_a_line_that_another_server_is_to_evaluate_now_has_come_through(it: Play) -> None:
    beat = it.canary.make()
    it.canary.reached("durable", [beat])
    it.canary.reached("queryable", [beat])
    it.canary.evaluates(False)
    assert it.canary.state().waiting == 0


def test_a_line_that_waited_for_too_long_is_given_up_and_counts_as_late(it: Play) -> None:
    it.canary.make()
    it.clock.advance(limits.ALERTS_LATE_WINDOW_S + 1)
    it.canary.make()
    assert it.metrics.get("tailrace_canary_lost_total") == 1
    state = it.canary.state()
    assert (state.waiting, state.p99_s) == (1, limits.ALERTS_LATE_WINDOW_S + 1)
    assert verdict(state).silent


def test_so_many_lines_are_followed_and_no_more(it: Play) -> None:
    for _ in range(limits.CANARY_BEATS + 5):
        it.canary.make()
    assert it.canary.state().waiting == limits.CANARY_BEATS
    assert it.metrics.get("tailrace_canary_lost_total") == 5


def test_p99_is_the_worst_of_few_and_of_two_hundred_the_third_worst() -> None:
    assert p99([]) == 0.0
    assert p99([1.0, 3.0, 2.0]) == 3.0
    assert p99([float(n) for n in range(200)]) == 197.0


def test_the_watch_looks_from_a_thread_of_its_own(
    it: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it speaks though nothing of the event loop runs."""
    monkeypatch.setattr("tailrace.alerts.latency.watch._LOOK_S", 0.001)
    looked = threading.Event()
    monkeypatch.setattr(it.watch, "look", looked.set)
    it.watch.start()
    assert looked.wait(10.0)
    it.watch.stop()
    assert "alerts-watch" not in {one.name for one in threading.enumerate()}
