"""Rules that watch a hub: what is kept, told, missed and made up for."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.alerts.evaluation.answers import describe, group
from tests.alerts.store import MemoryAlerts

sys.path.insert(0, str(Path(__file__).parents[2] / "query" / "tail"))

from tail_fakes import NOW, Place, row

from tailrace.alerts.rule import Group, Rule
from tailrace.alerts.streaming import watch
from tailrace.alerts.streaming.streams import Streams
from tailrace.core import limits
from tailrace.core.alerting import Alert, Phase
from tailrace.core.errors import StoreError
from tailrace.query.logs.entries import Entry
from tailrace.query.logs.logs import Logs
from tailrace.query.service import QueryService

S = 1_000_000_000


def panics(name: str = "Panic") -> Rule:
    return Rule(
        '{service_name="web"} |= "panic"', "logql", alert=name, streams=True, quiet_ns=60 * S,
        by=("service_name",),
    )  # fmt: skip


class Play:
    """Streams over a hub in memory. `missed`: what the store has of what was not watched."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.place = Place()
        self.store = MemoryAlerts()
        self.told: list[Alert] = []
        self.missed: list[str] = []
        self.asked_ns: list[int] = []
        self.frames = 0
        self.one = self.streams()
        monkeypatch.setattr(watch, "history", self._history)

    def streams(self) -> Streams:
        service = QueryService(None, self.place.metrics, self.place.clock)  # type: ignore[arg-type]
        hub = self.place.hub
        return Streams(self.store, Logs(service), hub, describe, self._changed, self.place.metrics)

    def _changed(self, alerts: Sequence[Alert]) -> None:
        self.told += alerts

    async def _history(self, *asked: Any) -> list[Entry]:
        assert asked[-2] == limits.STREAM_MISSED_LINES
        self.asked_ns.append(asked[-1])
        found, self.missed = self.missed, []
        return [Entry(NOW, line, {"service_name": "web"}, {}, {}) for line in found]

    def accept(self, *lines: str) -> None:
        self.frames += 1
        self.place.accept(self.place.frame(self.frames, [row(one) for one in lines], "shop"))

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            while not holds():
                await asyncio.sleep(0)

    async def opened(self, *groups: Group) -> None:
        await self.one.open(groups)
        rules = {(one.tenant, rule.alert) for one in groups for rule in one.rules}
        await self.until(lambda: len(self.store.kept.evaluations) >= len(rules))

    def value(self) -> float:
        [alert] = self.one.stands()[0].standing[0].alerts.values()
        return alert.value


@pytest.fixture
def it(monkeypatch: pytest.MonkeyPatch) -> Play:
    for name in ("GATHER_S", "GATHER_PER_FOLLOWER_S"):
        monkeypatch.setattr(f"tailrace.query.tail.hub.{name}", 0.0)
    monkeypatch.setattr("tailrace.query.tail.hub.WORKING_SHARE", 1e9)
    return Play(monkeypatch)


def run(it: Play, play: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        running = None
        try:
            await play()
        finally:
            running = asyncio.create_task(it.one.run())
            await asyncio.sleep(0)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    asyncio.run(whole())


def test_a_line_is_kept_as_an_alert_and_told(it: Play) -> None:
    async def play() -> None:
        await it.opened(group(panics()))
        it.accept("well", "panic: a", "panic: b")
        await it.until(lambda: it.told)
        [alert] = it.told
        assert (alert.phase, alert.value) == (Phase.FIRING, 2.0)
        assert list(it.store.kept.alerts.values()) == [alert]

    run(it, play)


def test_it_is_resolved_and_told_when_it_was_quiet(it: Play) -> None:
    async def play() -> None:
        await it.opened(group(panics()))
        it.accept("panic")
        await it.until(lambda: it.told)
        it.place.clock.advance(60)
        await it.one.look()
        assert it.told[-1].phase is Phase.RESOLVED
        it.one.told(it.told[-1:])
        assert it.one.stands()[0].standing[0].alerts == {}

    run(it, play)


def test_nothing_is_told_that_is_not_kept(it: Play) -> None:
    async def play() -> None:
        await it.opened(group(panics()))
        it.store.failure = StoreError("disk")
        it.accept("panic")
        await it.until(lambda: it.one.stands()[0].last[0].error == "disk")
        assert it.told == []
        it.store.failure = None
        await it.one.look()
        assert [one.phase for one in it.told] == [Phase.FIRING]

    run(it, play)


def test_more_lines_are_kept_and_told_now_and_then(it: Play) -> None:
    async def play() -> None:
        await it.opened(group(panics()))
        it.accept("panic")
        await it.until(lambda: it.told)
        it.accept("panic", "panic")
        await it.until(lambda: it.value() == 3.0)
        await it.one.look()
        assert len(it.told) == 1
        it.place.clock.advance(15)
        await it.one.look()
        assert [one.value for one in it.told] == [1.0, 3.0]

    run(it, play)


def test_what_was_not_looked_at_is_asked_of_the_store(
    it: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "TAIL_BATCH_ROWS", 1)
    monkeypatch.setattr(watch, "AGAIN_S", 0.0)

    async def play() -> None:
        await it.opened(group(panics()))
        began_ns = it.place.clock.wall_ns()
        it.place.clock.advance(30)
        it.missed = ["panic", "panic: not looked at"]
        it.accept("well", "panic", "panic: not looked at")
        await it.until(lambda: it.asked_ns)
        await it.until(lambda: it.told)
        assert it.asked_ns[0] == began_ns - watch.DURABLE_NS
        await it.until(lambda: it.value() == 2.0)
        assert it.place.metrics.get("tailrace_stream_missed_rows_total") >= 1

    run(it, play)


def test_after_a_restart_the_store_is_asked_once_for_what_came_meanwhile(it: Play) -> None:
    async def play() -> None:
        await it.opened(group(panics()))
        it.place.clock.advance(15)
        await it.one.look()
        [kept] = it.store.kept.evaluations.values()
        it.place.clock.advance(300)
        it.missed = ["panic"]
        it.one = it.streams()
        await it.one.open([group(panics())])
        await it.until(lambda: it.told)
        assert it.asked_ns == [kept.slot_ns - watch.DURABLE_NS]

    run(it, play)


def test_what_is_older_than_an_hour_is_not_asked_for(it: Play) -> None:
    async def play() -> None:
        await it.opened(group(panics()))
        it.place.clock.advance(7200)
        it.one = it.streams()
        await it.one.open([group(panics())])
        await it.until(lambda: it.asked_ns)
        assert it.asked_ns == [it.place.clock.wall_ns() - limits.STREAM_MISSED_S * S]

    run(it, play)


def test_what_fired_ends_with_its_rule_and_a_rule_that_stays_goes_on(it: Play) -> None:
    async def play() -> None:
        await it.opened(group(panics(), panics("Other")))
        it.accept("panic")
        await it.until(lambda: len(it.told) == 2)
        await it.one.load([group(panics())])
        ended = it.told[-1]
        assert (dict(ended.labels)["alertname"], ended.phase) == ("Other", Phase.RESOLVED)
        assert it.store.kept.alerts[ended.key] == ended
        it.accept("panic")
        await it.until(lambda: it.value() == 2.0)
        assert it.asked_ns == []

    run(it, play)


def test_a_rule_that_goes_without_alerts_is_forgotten(it: Play) -> None:
    async def play() -> None:
        await it.opened(group(panics(), panics("Other")))
        await it.until(lambda: len(it.store.kept.evaluations) == 2)
        await it.one.load([group(panics())])
        assert len(it.store.kept.evaluations) == 1

    run(it, play)


def test_a_tenant_has_so_many_rules_and_the_others_say_why_they_are_none(
    it: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "STREAM_RULES_PER_TENANT", 1)

    async def play() -> None:
        await it.one.open([group(panics(), panics("Other"))])
        [stands] = it.one.stands()
        assert [one.rule.alert for one in stands.owners] == ["Panic", "Other"]
        errors = [one.error for one in stands.last]
        assert (errors[0], "STREAM_RULES_PER_TENANT" in errors[1]) == ("", True)

    run(it, play)


def test_a_clock_that_is_set_resolves_nothing(it: Play) -> None:
    async def play() -> None:
        await it.opened(group(panics()))
        it.accept("panic")
        await it.until(lambda: it.told)
        it.place.clock.jump_wall(3600)
        await it.one.look()
        assert [one.phase for one in it.told] == [Phase.FIRING]

    run(it, play)
