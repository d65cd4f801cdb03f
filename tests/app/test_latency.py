"""The canary's lines as they come to the door, its setting, and what the command prints."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from tests.gateway.doors import MemorySink

from tailrace.alerts.latency.canary import STAGES, Beat
from tailrace.alerts.latency.report import CanaryDelay, Delays, Latencies, RuleDelayed, StageDelay
from tailrace.app.commands import alerts
from tailrace.app.config import load
from tailrace.app.latency import DoorWay
from tailrace.core.clock import ManualClock
from tailrace.core.contracts import Feed
from tailrace.core.errors import Busy, ConfigError
from tailrace.core.frame import Lane
from tailrace.core.metrics import Metrics
from tailrace.gateway.door import Door
from tailrace.guard.cleaner import Cleaner
from tailrace.guard.kinds import KINDS
from tailrace.queue.follower import LogFeed, LogFollower


class NoLog:
    """A queue that nothing comes into."""

    def follow(self, *_: object) -> LogFollower:
        raise NotImplementedError

    async def passed(self, name: str, timeout_s: float, hurry: bool) -> bool:
        return True


FEED: Feed = LogFeed(NoLog(), "writer")


def written(beats: Sequence[Beat], sink: MemorySink) -> list[str]:
    """What is said of lines that are written: `received`, when it was."""
    said: list[str] = []
    door = Door(sink, ManualClock(), Metrics())
    try:
        way = DoorWay(door, FEED)
        asyncio.run(way.write("abcdefgh", beats, lambda: said.append("received")))
    finally:
        door.close()
    return said


def test_its_lines_are_records_of_a_tenant_of_their_own_that_are_not_archived() -> None:
    sink = MemorySink()
    beats = [Beat(7, 0.0, 1_800_000_000_000_000_000), Beat(8, 5.0, 1_800_000_005_000_000_000)]
    assert written(beats, sink) == ["received"]
    [frame] = sink.frames
    assert (frame.header.tenant, frame.header.lane, frame.header.rows) == ("tailrace", Lane.HOT, 2)
    first, second = (msgspec.json.decode(line) for line in sink.data.splitlines())
    assert (first["service"], first["time"]) == ("tailrace.canary", beats[0].made_ns)
    assert second["attributes"] == {"run": "abcdefgh", "beat": "8"}


def test_a_door_that_is_shut_says_so() -> None:
    sink = MemorySink()
    sink.failure = Busy("full")
    with pytest.raises(Busy):
        written([Beat(1, 0.0, 1)], sink)


def test_the_guard_finds_nothing_in_its_lines_however_many_there_are() -> None:
    sink = MemorySink()
    numbers = [n for p in range(10) for n in (10**p, 4 * 10**p + 111, 123_456_789 % (9 * 10**p))]
    written([Beat(n, 0.0, 1_800_000_000_000_000_000 + n) for n in numbers], sink)
    secrets = {kind: b"k" * 32 for kind in KINDS}
    [frame] = sink.frames
    data = sink.data
    assert Cleaner().clean(frame.header, data, secrets).data is data


@pytest.mark.parametrize("wrong", ["500ms", "16s"])
def test_lines_come_neither_too_often_nor_too_seldom(tmp_path: Path, wrong: str) -> None:
    path = tmp_path / "tailrace.toml"
    for right in ("1s", "15s", "0s"):
        path.write_text(f'[alerts]\ncanary = "{right}"')
        assert load(path, {}).alerts.canary.text == right
    path.write_text(f'[alerts]\ncanary = "{wrong}"')
    with pytest.raises(ConfigError, match=r'^alerts.canary: from "1s" to "15s", or "0s" for no'):
        load(path, {})


SOME = Delays(7, 0.25, 2.0, 3.25)
NONE = Delays(0)
RULE = RuleDelayed("rules.yml", "shop", "Down", 15.0, 60.0, SOME, NONE)


def shown(found: Latencies) -> str:
    return "".join(alerts._latency(found))


def canary(delays: Delays) -> CanaryDelay:
    return CanaryDelay([StageDelay(stage, delays) for stage in STAGES], 17.0, 4.0, 1, 3.0)


def test_the_command_shows_stages_and_rules_in_tables() -> None:
    text = shown(Latencies("", canary(SOME), [RULE], SOME))
    assert "FROM THE EVENT TO  COUNT  P50     P99    WORST\n" in text
    assert "evaluated          7      250 ms  2.0 s  3.2 s\n" in text
    assert (
        "in time: 99 of 100 lines of the last 15 minutes within 17.0 s, the last one 4.0 s" in text
    )
    assert "Down                        shop   15.0 s  7      250 ms  2.0 s  3.2 s  -\n" in text
    assert "sent          7" in text


def test_the_command_says_what_is_late_or_not_known_yet() -> None:
    assert "\nnone is written\n" in shown(Latencies("none is written", canary(SOME), [], NONE))
    assert "no line of the canary has come so far yet" in shown(
        Latencies("", canary(NONE), [], NONE)
    )
    assert shown(Latencies("", None, [], NONE)) == "there is no canary: alerts.canary is 0\n"
