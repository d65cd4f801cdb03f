from __future__ import annotations

import time

import pytest

from tailrace.agent.delivery.pacing import DAY_S, Pace, Pacing, window
from tailrace.core.clock import ManualClock
from tailrace.core.errors import ConfigError

MIDNIGHT_NS = 1_800_057_600_000_000_000  # in UTC
SOURCES = [f"agent-{n}" for n in range(200)]


def pacing(pace: Pace, source: str = "agent", clock: ManualClock | None = None) -> Pacing:
    return Pacing(pace, source, clock or ManualClock(MIDNIGHT_NS), time.gmtime)


def opens_s(pace: Pace, source: str) -> tuple[float, float]:
    """The second of the day at which it opens, and for how long."""
    clock = ManualClock(MIDNIGHT_NS)
    paced = pacing(pace, source, clock)
    free = []
    for second in range(0, int(DAY_S), 60):
        if paced.wait_s() == 0:
            free.append(second)
        clock.advance(60)
    return free[0], len(free) * 60.0


def test_without_settings_it_never_waits() -> None:
    paced = pacing(Pace())
    paced.sent(1 << 40)
    assert paced.wait_s() == 0


def test_the_rate_holds_over_any_length_of_time() -> None:
    clock = ManualClock()
    paced = pacing(Pace(rate=1_000), clock=clock)
    sent = 0
    while clock.monotonic_s() < 600:
        wait_s = paced.wait_s()
        if wait_s:
            clock.advance(wait_s)
        else:
            paced.sent(7_777)
            sent += 7_777
    assert 590_000 < sent < 620_000


def test_a_second_without_anything_to_send_is_not_saved_up() -> None:
    clock = ManualClock()
    paced = pacing(Pace(rate=1_000), clock=clock)
    clock.advance(3600)
    assert paced.wait_s() == 0
    paced.sent(2_000)
    assert 0.9 < paced.wait_s() < 1.1


@pytest.mark.parametrize(
    ("text", "start_s", "length_s"), [("01:00-05:00", 3600, 14400), ("22:30-01:00", 81000, 9000)]
)
def test_outside_of_the_window_it_waits(text: str, start_s: float, length_s: float) -> None:
    clock = ManualClock(MIDNIGHT_NS)
    paced = pacing(Pace(window=text), clock=clock)
    free = 0
    for minute in range(24 * 60):
        into_s = (minute * 60 - start_s) % DAY_S
        assert (paced.wait_s() == 0) == (into_s < length_s)
        free += paced.wait_s() == 0
        assert paced.wait_s() <= 60
        clock.advance(60)
    assert free * 60 == length_s


def test_agents_begin_at_different_times_and_each_at_the_same_every_day() -> None:
    pace = Pace(window="01:00-05:00", jitter_s=1800)
    found = [opens_s(pace, source) for source in SOURCES[:20]]
    assert found == [opens_s(pace, source) for source in SOURCES[:20]]
    starts = [start for start, _ in found]
    assert len(set(starts)) > 10
    assert min(starts) >= 3600
    assert max(starts) <= 3600 + 1800 + 60
    assert all(abs(start + length - 18000) <= 60 for start, length in found)


@pytest.mark.parametrize(
    ("text", "jitter_s", "words"),
    [
        ("1:00-5:00", 0, "01:00-05:00"),
        ("24:00-05:00", 0, "01:00-05:00"),
        ("nightly", 0, "01:00-05:00"),
        ("05:00-05:00", 0, "empty"),
        ("01:00-01:30", 1800, "shorter"),
    ],
)
def test_a_wrong_window_is_refused(text: str, jitter_s: float, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        window(Pace(0, text, jitter_s))
