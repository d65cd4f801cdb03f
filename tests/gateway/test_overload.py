"""What is shed at which fullness: for any course of the queue."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.core import limits
from tailrace.core.clock import ManualClock
from tailrace.core.errors import Busy
from tailrace.core.frame import Frame, Header, Lane, Signal
from tailrace.core.metrics import Metrics
from tailrace.gateway.admission.overload import Level, Overload, next_level

STARTS = {
    Level.BULK: limits.OVERLOAD_BULK,
    Level.METRICS: limits.OVERLOAD_METRICS,
    Level.ALL: limits.OVERLOAD_ALL,
}


class Queue:
    def __init__(self) -> None:
        self.fullness = 0.0

    def pressure(self) -> float:
        return self.fullness


def frame(lane: Lane = Lane.BOTH, signal: Signal = Signal.LOGS) -> Frame:
    return Frame(Header("t", "s", 0, 0, 1, 1, 0, 0, lane, signal), b"")


@given(st.lists(st.floats(0, 1), min_size=1, max_size=80))
def test_each_level_begins_at_its_start_and_ends_only_with_relief(course: list[float]) -> None:
    level = Level.NONE
    for pressure in course:
        before, level = level, next_level(level, pressure)
        for step, start in STARTS.items():
            if pressure >= start:
                assert level >= step
            elif pressure < start - limits.OVERLOAD_RELIEF:
                assert level < step
            else:  # between the two nothing begins and nothing ends
                assert (level >= step) == (before >= step)


def shed(overload: Overload, *frames: Frame) -> str:
    try:
        overload.check(frames)
    except Busy as busy:
        assert busy.overload
        assert busy.retry_after_s >= 1
        return busy.reason
    return ""


def test_bulk_goes_before_metrics_and_metrics_before_logs() -> None:
    queue, clock, metrics = Queue(), ManualClock(), Metrics()
    overload = Overload(queue, clock, metrics)
    bulk, samples, logs = frame(Lane.BULK), frame(signal=Signal.METRICS), frame()
    for fullness, level, expected in (
        (0.79, 0, ("", "", "")),
        (0.80, 1, ("overload_bulk", "", "")),
        (0.90, 2, ("overload_bulk", "overload_metrics", "")),
        (0.99, 3, ("overload_bulk", "overload_metrics", "overload_all")),
        (0.94, 3, ("overload_bulk", "overload_metrics", "overload_all")),
        (0.92, 2, ("overload_bulk", "overload_metrics", "")),
        (0.70, 0, ("", "", "")),
    ):
        queue.fullness = fullness
        clock.advance(1)
        assert tuple(shed(overload, one) for one in (bulk, samples, logs)) == expected
        assert metrics.get("tailrace_overload_level") == level


def test_a_request_goes_through_for_the_best_that_it_holds() -> None:
    queue = Queue()
    queue.fullness = 0.95
    overload = Overload(queue, ManualClock(), Metrics())
    assert shed(overload, frame(Lane.BULK), frame(signal=Signal.METRICS)) == "overload_metrics"
    assert shed(overload, frame(Lane.BULK), frame()) == ""


def test_each_change_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    queue, clock = Queue(), ManualClock()
    overload = Overload(queue, clock, Metrics())
    with caplog.at_level("INFO"):
        for fullness in (0.5, 0.85, 0.86, 0.85, 0.5, 0.4):
            queue.fullness = fullness
            clock.advance(1)
            overload.level  # noqa: B018 - looking is the act
    assert [record.message for record in caplog.records] == ["overload", "overload has passed"]
