from __future__ import annotations

import threading
import time

import pytest

from tailrace.agent.feeds.intake import Batch, Intake
from tailrace.agent.feeds.schedule import SPREAD_S, Schedule, Ticks
from tailrace.agent.feeds.scheduled import Fetched, Scheduled
from tailrace.agent.inputs import HostInput
from tailrace.agent.settings import AgentSettings
from tailrace.core.clock import ManualClock, SystemClock

SETTINGS = AgentSettings([], "unused", [])


def test_a_name_has_its_place_in_the_interval_after_each_start() -> None:
    places = set()
    for start_s in (0.0, 3.3, 14.9, 1e6):
        clock = ManualClock()
        clock.advance(start_s)
        due_s = clock.wall_ns() / 1e9 + Ticks("host|a", 15.0, clock).wait_s()
        places.add(round(due_s % 15.0, 3) % 15.0)
    assert len(places) == 1


def test_names_are_spread_over_the_interval_and_a_minute_at_most() -> None:
    clock = ManualClock()
    for interval_s, spread_s in ((15.0, 15.0), (3600.0, SPREAD_S)):
        waits = [Ticks(f"host|{n}", interval_s, clock).wait_s() for n in range(200)]
        assert all(0 <= wait < spread_s for wait in waits)
        assert min(waits) < spread_s / 10 < spread_s * 0.9 < max(waits)


def test_a_run_that_takes_long_leaves_out_those_that_came_due() -> None:
    clock = ManualClock()
    ticks = Ticks("x", 10.0, clock)
    clock.advance(ticks.wait_s())
    assert ticks.ran() == 0
    clock.advance(ticks.wait_s() + 25.0)
    assert ticks.ran() == 2
    assert ticks.wait_s() == pytest.approx(5.0)


def test_a_wall_clock_that_jumps_moves_no_run() -> None:
    clock = ManualClock()
    ticks = Ticks("x", 10.0, clock)
    before_s = ticks.wait_s()
    clock.jump_wall(-1e6)
    assert ticks.wait_s() == before_s


def test_runs_never_overlap_and_one_that_fails_is_not_the_last() -> None:
    running, most, done = [0], [0], threading.Event()
    seen: list[int] = []

    def task(missed: int) -> None:
        running[0] += 1
        most[0] = max(most[0], running[0])
        seen.append(missed)
        if len(seen) == 1:
            time.sleep(0.1)  # as a server that does not answer
        running[0] -= 1
        if len(seen) >= 4:
            done.set()
        if len(seen) == 2:
            raise RuntimeError("no such luck")

    schedule = Schedule("x", 0.02, task, SystemClock())
    schedule.start()
    assert done.wait(10.0)
    schedule.stop()
    assert most == [1]
    assert seen[0] == 0
    assert seen[1] >= 3


def test_stopping_returns_soon_and_nothing_is_put_afterwards() -> None:
    begun, go = threading.Event(), threading.Event()

    def fetch() -> Fetched:
        begun.set()
        go.wait(10.0)
        return Fetched([Batch(b"late\n", 1)])

    intake = Intake(HostInput(), "x")
    feeder = Scheduled("x", intake, 0.01, fetch, SETTINGS)
    feeder.start()
    assert begun.wait(10.0)
    start_s = time.monotonic()
    feeder.stop()
    assert time.monotonic() - start_s < 3.0
    go.set()
    feeder._schedule._thread.join(10.0)
    assert intake.read(1 << 20, 0.0, hurry=True) is None


def test_without_room_the_run_waits_and_stopping_ends_that() -> None:
    intake = Intake(HostInput(), "x", limit_bytes=10)
    asked = threading.Semaphore(0)

    def fetch() -> Fetched:
        asked.release()
        return Fetched([Batch(b"123456789\n", 1)])

    feeder = Scheduled("x", intake, 0.01, fetch, SETTINGS)
    feeder.start()
    assert asked.acquire(timeout=10.0)
    assert asked.acquire(timeout=10.0)
    assert not asked.acquire(timeout=0.1)
    feeder.stop()
    assert not feeder._schedule._thread.is_alive()
    piece = intake.read(1 << 20, 0.0, hurry=True)
    assert piece is not None
    assert piece.rows == 1


def test_what_failed_or_came_late_is_counted() -> None:
    intake = Intake(HostInput(), "x")
    feeder = Scheduled("x", intake, 60.0, lambda: Fetched((), "no answer"), SETTINGS)
    feeder.run(3)
    piece = intake.read(1 << 20, 0.0, hurry=True)
    assert piece is not None
    assert (piece.rows, piece.dropped) == (0, {"late": 3, "failed": 1})


def test_an_error_that_nobody_expected_is_counted_and_not_the_end() -> None:
    intake = Intake(HostInput(), "x")

    def fetch() -> Fetched:
        raise ZeroDivisionError

    feeder = Scheduled("x", intake, 60.0, fetch, SETTINGS)
    feeder.run()
    feeder.run()
    piece = intake.read(1 << 20, 0.0, hurry=True)
    assert piece is not None
    assert piece.dropped == {"failed": 2}


def test_a_failure_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    reasons = iter(["down", "down", "slow", "", "", "down"])
    intake = Intake(HostInput(), "x")
    feeder = Scheduled("x", intake, 60.0, lambda: Fetched((), next(reasons)), SETTINGS)
    with caplog.at_level("INFO"):
        for _ in range(6):
            feeder.run()
    assert [record.levelname for record in caplog.records] == [
        "WARNING",
        "WARNING",
        "INFO",
        "WARNING",
    ]
