"""Single steps of the dispatcher; what it promises over time is in test_dispatcher_model.py."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest
from alerting import START_NS, alert, settings
from keeping import MemoryStore

from tailrace.alerts.delivery.dispatcher import Dispatcher
from tailrace.alerts.delivery.inhibition import Inhibition, rules
from tailrace.alerts.delivery.matching import parse
from tailrace.alerts.delivery.routing import tree
from tailrace.core import limits
from tailrace.core.alerting import Alert, Matcher, Phase, Silence
from tailrace.core.clock import ManualClock
from tailrace.core.errors import StoreError

TWO = """
[alerts]
group_wait = "0s"
[[alerts.receivers]]
name = "a"
kind = "log"
[[alerts.receivers]]
name = "b"
kind = "log"
[[alerts.routes]]
receiver = "b"
matchers = ['severity="page"']
continue = true
[[alerts.routes]]
receiver = "a"
"""


class Bench:
    def __init__(self, text: str = TWO) -> None:
        self.said = settings(text)
        self.clock = ManualClock(START_NS)
        self.store = MemoryStore()
        self.made = 0
        self.forgotten: list[Alert] = []
        self.first: list[tuple[Alert, int]] = []
        self.restart()

    def restart(self) -> None:
        def made() -> None:
            self.made += 1

        self.dispatcher = Dispatcher(
            self.store,
            tree(self.said),
            Inhibition(rules(self.said.inhibit)),
            self.clock,
            made=made,
            forgotten=self.forgotten.extend,
            told=lambda alerts, at_ns: self.first.extend((one, at_ns) for one in alerts),
        )
        asyncio.run(self.dispatcher.load())

    def give(self, *alerts: Alert) -> None:
        for one in alerts:
            self.store.kept.alerts[one.key] = one
        self.dispatcher.changed(alerts)

    def tell(self, after_s: float = 0.0) -> list[dict[str, Any]]:
        """What is told now, after so many seconds."""
        before = len(self.store.every)
        self.clock.advance(after_s)
        asyncio.run(self.dispatcher.tell_due())
        return [json.loads(notice.body) for notice in self.store.every[before:]]


DOWN = alert("Down", host="a")
OVER = alert("Down", Phase.RESOLVED, host="a")


def test_without_a_wait_nothing_is_delayed() -> None:
    bench = Bench()
    bench.give(DOWN)
    (said,) = bench.tell()
    assert (said["receiver"], said["status"], said["groupLabels"]) == (
        "a",
        "firing",
        {"alertname": "Down"},
    )
    assert bench.made == 1


def test_an_alert_that_everybody_knows_is_over_is_forgotten() -> None:
    bench = Bench()
    bench.give(DOWN)
    bench.tell()
    bench.give(OVER)
    assert bench.tell(after_s=59) == []
    assert bench.store.kept.alerts
    (said,) = bench.tell(after_s=1)
    assert said["status"] == "resolved"
    assert not bench.store.kept.alerts
    assert bench.forgotten == [OVER]


def test_an_alert_that_nobody_heard_of_is_forgotten_without_a_word() -> None:
    bench = Bench(TWO.replace('"0s"', '"5s"'))
    bench.give(DOWN)
    bench.tell(after_s=1)
    bench.give(OVER)
    assert bench.tell(after_s=60) == []
    assert bench.forgotten == [OVER]


def test_an_alert_is_kept_while_one_of_its_receivers_does_not_know_of_its_end() -> None:
    bench = Bench()
    page = alert("Down", host="a", severity="page")
    bench.give(page)
    bench.tell()
    bench.store.full = {"b"}
    bench.give(alert("Down", Phase.RESOLVED, host="a", severity="page"))
    assert [said["receiver"] for said in bench.tell(after_s=60)] == ["a"]
    assert page.key in bench.store.kept.alerts
    bench.store.full = set()
    assert [said["receiver"] for said in bench.tell(after_s=60)] == ["b"]
    assert page.key not in bench.store.kept.alerts


def test_a_store_that_is_away_loses_nothing() -> None:
    bench = Bench()
    bench.give(DOWN)
    bench.store.refuse = 1
    with pytest.raises(StoreError):
        bench.tell()
    assert len(bench.tell()) == 1


def test_an_alert_that_is_pending_again_has_ended() -> None:
    bench = Bench()
    bench.give(DOWN)
    bench.tell()
    pending = msgspec.structs.replace(
        alert("Down", Phase.PENDING, host="a"), active_ns=START_NS + 5
    )
    bench.give(pending)
    (said,) = bench.tell(after_s=60)
    (over,) = said["alerts"]
    assert (over["status"], over["startsAt"]) == ("resolved", "2027-01-15T08:00:00Z")
    assert over["endsAt"] == "2027-01-15T08:00:00.000000005Z"
    assert bench.store.kept.alerts == {pending.key: pending}


def test_what_fired_and_ended_while_nothing_ran_is_told_once_in_two_notices() -> None:
    bench = Bench()
    unheard = msgspec.structs.replace(OVER, missed_ns=START_NS)
    bench.give(unheard)
    said = bench.tell()
    assert [one["status"] for one in said] == ["firing", "resolved"]
    assert [one["alerts"][0]["startsAt"] for one in said] == ["2027-01-15T08:00:00Z"] * 2
    assert bench.forgotten == [unheard]
    assert not bench.store.kept.alerts
    assert bench.tell(after_s=3_600) == []


def test_what_is_told_while_it_is_pending_again_is_not_told_when_that_ends() -> None:
    bench = Bench()
    unheard = msgspec.structs.replace(OVER, missed_ns=START_NS)
    bench.give(msgspec.structs.replace(unheard, phase=Phase.PENDING, active_ns=START_NS + 5))
    assert len(bench.tell()) == 2
    bench.give(unheard)
    assert bench.tell(after_s=3_600) == []
    assert not bench.store.kept.alerts


MISSED = msgspec.structs.replace(OVER, missed_ns=START_NS)
MISSED_FIRES = msgspec.structs.replace(DOWN, missed_ns=START_NS)


def test_what_fires_again_and_ends_before_its_turn_is_still_told() -> None:
    bench = Bench()
    for one in (MISSED, MISSED_FIRES, MISSED):
        bench.give(one)
    assert [one["status"] for one in bench.tell()] == ["firing", "resolved"]
    assert not bench.store.kept.alerts


def test_what_fires_again_and_is_told_so_has_one_end() -> None:
    bench = Bench()
    bench.give(MISSED)
    bench.give(MISSED_FIRES)
    assert [one["status"] for one in bench.tell()] == ["firing"]
    bench.give(MISSED)
    assert [one["status"] for one in bench.tell(after_s=60)] == ["resolved"]
    assert bench.tell(after_s=3_600) == []


def test_what_was_silenced_at_its_turn_is_as_any_that_was() -> None:
    """Its end is nobody's business, though nobody can have heard that it fired."""
    bench = Bench()
    matchers = (Matcher("host", "=", "a"),)
    until_ns = START_NS + 90 * 1_000_000_000
    bench.dispatcher.silence(Silence("s1", "default", matchers, START_NS, until_ns, "", "", 0))
    bench.give(MISSED_FIRES)
    assert bench.tell(after_s=80) == []
    bench.give(MISSED)
    assert bench.tell(after_s=3_600) == []
    assert not bench.store.kept.alerts


def test_a_new_value_of_an_alert_is_no_news() -> None:
    bench = Bench()
    bench.give(DOWN)
    bench.tell()
    bench.give(msgspec.structs.replace(DOWN, value=9.0))
    assert bench.tell(after_s=3_600) == []


def test_a_rule_that_was_edited_goes_on_and_its_end_is_told_once() -> None:
    bench = Bench()
    bench.give(DOWN)
    bench.tell()
    edited = msgspec.structs.replace(DOWN, rule="r2")
    bench.give(OVER, edited)
    assert bench.tell(after_s=60) == []
    bench.give(msgspec.structs.replace(OVER, rule="r2"))
    (said,) = bench.tell(after_s=60)
    assert [one["status"] for one in said["alerts"]] == ["resolved"]
    assert not bench.store.kept.alerts


def test_a_repeat_says_how_the_alert_is_by_then() -> None:
    bench = Bench()
    bench.give(DOWN)
    bench.tell()
    bench.give(msgspec.structs.replace(DOWN, annotations=(("summary", "still down"),)))
    (said,) = bench.tell(after_s=4 * 3_600)
    assert said["alerts"][0]["annotations"] == {"summary": "still down"}


def test_a_notice_of_an_end_is_not_replaced_by_a_newer_one() -> None:
    bench = Bench()
    bench.give(DOWN)
    bench.tell()
    bench.give(OVER, alert("Down", host="b"))
    bench.tell(after_s=60)
    assert [notice.replaceable for notice in bench.store.every] == [True, False]


def test_groups_of_two_tenants_are_apart() -> None:
    bench = Bench()
    bench.give(DOWN, alert("Down", tenant="shop", host="a"))
    keys = {said["groupKey"] for said in bench.tell()}
    assert keys == {'default:{}/{}:{alertname="Down"}', 'shop:{}/{}:{alertname="Down"}'}


def test_many_groups_are_told_in_several_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ALERT_GROUPS_TOLD", 2)
    bench = Bench()
    bench.give(*(alert(f"Down{number}") for number in range(5)))
    assert len(bench.tell()) == 5
    assert bench.made == 3


def test_a_wall_clock_that_jumps_repeats_nothing() -> None:
    bench = Bench()
    bench.give(DOWN)
    bench.tell()
    for jump_s in (10 * 86_400.0, -20 * 86_400.0):
        bench.clock.jump_wall(jump_s)
        assert bench.tell(after_s=3_600) == []
    assert len(bench.tell(after_s=2 * 3_600)) == 1


def test_a_restart_with_a_clock_that_was_set_back_repeats_later() -> None:
    bench = Bench()
    bench.give(DOWN)
    bench.tell()
    bench.clock.jump_wall(-86_400.0)
    bench.restart()
    assert bench.tell(after_s=3_600) == []
    assert len(bench.tell(after_s=3 * 3_600)) == 1


def test_a_loop_wakes_for_what_changed() -> None:
    async def run() -> None:
        store = MemoryStore()
        told = asyncio.Event()
        one = Dispatcher(store, tree(settings(TWO)), Inhibition(()), ManualClock(), made=told.set)
        await one.load()
        running = asyncio.create_task(one.run())
        await asyncio.sleep(0)
        one.changed([DOWN])
        await asyncio.wait_for(told.wait(), 5)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(run())


def test_a_silence_that_another_server_was_given_is_heard_of() -> None:
    class Asked(MemoryStore):
        reads = 0

        async def silences(self, tenant: str = "") -> list[Silence]:
            self.reads += 1
            return await super().silences(tenant)

    async def run() -> None:
        store, clock = Asked(), ManualClock(START_NS)
        one = Dispatcher(store, tree(settings(TWO)), Inhibition(()), clock)
        await one.load()
        matchers = parse('alertname="Down"')
        ends_ns = START_NS + 3_600_000_000_000
        await store.silence(Silence("s1", "default", matchers, START_NS, ends_ns, "", "", START_NS))
        clock.advance(15)
        running = asyncio.create_task(one.run())
        async with asyncio.timeout(5):
            while store.reads < 2:
                await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        one.changed([DOWN, alert("Slow", host="a")])
        await one.tell_due()
        told = [json.loads(notice.body)["alerts"][0]["labels"] for notice in store.every]
        assert [labels["alertname"] for labels in told] == ["Slow"]

    asyncio.run(run())


def test_who_asks_how_late_alerts_are_hears_of_each_when_a_receiver_is_told_first() -> None:
    bench = Bench()
    bench.give(DOWN)
    bench.tell()
    assert bench.first == [(DOWN, START_NS)]
    # What is said again and what is over was known; what is new in the group was not.
    other = alert("Down", host="b")
    bench.give(other)
    bench.tell(after_s=60)
    bench.give(OVER)
    bench.tell(after_s=60)
    assert bench.first[1:] == [(other, START_NS + 60_000_000_000)]
