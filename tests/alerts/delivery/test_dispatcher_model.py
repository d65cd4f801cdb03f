"""Random alerts, silences, outages of the store and restarts, against what is promised.

A plain reference reads the notices in their order and remembers, for each receiver and alert, since
when it should know otherwise.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import msgspec
from alerting import settings
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from keeping import MemoryStore
from tests.examples import examples

from tailrace.alerts.delivery.dispatcher import Dispatcher
from tailrace.alerts.delivery.inhibition import Inhibition, rules
from tailrace.alerts.delivery.matching import parse
from tailrace.alerts.delivery.messages import read
from tailrace.alerts.delivery.routing import tree
from tailrace.core.alerting import Alert, Notice, Phase, Silence
from tailrace.core.clock import ManualClock
from tailrace.core.errors import StoreError

WAIT_S, INTERVAL_S, REPEAT_S = 5.0, 60.0, 600.0
SETTINGS = settings(
    f"""
[alerts]
group_wait = "{WAIT_S}s"
group_interval = "{INTERVAL_S}s"
repeat_interval = "{REPEAT_S}s"
[[alerts.receivers]]
name = "all"
kind = "log"
[[alerts.receivers]]
name = "pages"
kind = "log"
[[alerts.receivers]]
name = "starts"
kind = "log"
send_resolved = false
[[alerts.routes]]
receiver = "pages"
matchers = ['severity="page"']
continue = true
[[alerts.routes]]
receiver = "starts"
matchers = ['host="a"']
group_by = ["..."]
continue = true
[[alerts.routes]]
receiver = "all"
[[alerts.inhibit]]
source = ['alertname="Down"']
target = ['alertname="Slow"']
equal = ["host"]
"""
)
NAMES = [
    (name, host, severity)
    for name in ("Down", "Slow")
    for host in ("a", "b")
    for severity in ("page", "warn")
]
Name = tuple[str, str, str]


def receivers(name: Name) -> list[str]:
    _, host, severity = name
    return ["all", *(["pages"] if severity == "page" else []), *(["starts"] if host == "a" else [])]


def group_of(receiver: str, name: Name) -> str:
    kind, _host, severity = name
    return {
        "all": f'{{}}/{{}}:{{alertname="{kind}"}}',
        "pages": f'{{}}/{{severity="page"}}:{{alertname="{kind}"}}',
        "starts": f'{{}}/{{host="a"}}:{{alertname="{kind}", host="a", severity="{severity}"}}',
    }[receiver]


def pairs(name: Name) -> tuple[tuple[str, str], ...]:
    return tuple(zip(("alertname", "host", "severity"), name, strict=True))


class Delivery(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        # A new one for each of thousands of calls would take three times as long as they do.
        self.loop = asyncio.new_event_loop()

    def teardown(self) -> None:
        self.loop.close()

    @initialize()
    def begin(self) -> None:
        self.clock = ManualClock()
        self.store = MemoryStore()
        self.firing: set[Name] = set()
        self.silenced: dict[str, float] = {}  # by severity, until
        self.read = 0
        self.knows: dict[str, set[Name]] = {one: set() for one in ("all", "pages", "starts")}
        self.last_s: dict[tuple[str, str], float] = {}
        self.since_s: dict[tuple[str, str, Name], float] = {}
        self.restart()

    def restart(self) -> None:
        root, inhibition = tree(SETTINGS), Inhibition(rules(SETTINGS.inhibit))
        self.dispatcher = Dispatcher(self.store, root, inhibition, self.clock)
        self.loop.run_until_complete(self.dispatcher.load())

    @rule(name=st.sampled_from(NAMES), pending=st.booleans(), crash=st.booleans())
    def alert(self, name: Name, pending: bool, crash: bool) -> None:
        """It begins to fire or ends; an end may be followed by a new beginning."""
        now_ns = self.clock.wall_ns()
        before = self.store.kept.alerts.get(("default", "r", pairs(name)))
        changes: dict[str, Any] = {"phase": Phase.FIRING, "fired_ns": now_ns, "ended_ns": 0}
        if name in self.firing:
            changes = {"phase": Phase.RESOLVED, "ended_ns": now_ns}
        new = Alert("default", "r", pairs(name), (), Phase.PENDING, 1.0, now_ns)
        changed = [msgspec.structs.replace(before or new, **changes)]
        if pending and name in self.firing:
            changed.append(
                msgspec.structs.replace(changed[0], phase=Phase.PENDING, active_ns=now_ns)
            )
        self.firing ^= {name}
        self.store.kept.alerts[changed[-1].key] = changed[-1]
        if crash:
            self.restart()
        else:
            self.dispatcher.changed(changed)
        self.settle()

    @rule(severity=st.sampled_from(["page", "warn"]), minutes=st.integers(1, 20))
    def silence(self, severity: str, minutes: int) -> None:
        now_ns = self.clock.wall_ns()
        matchers = parse(f"severity={severity}")
        ends_ns = now_ns + minutes * 60_000_000_000
        one = Silence(severity, "default", matchers, now_ns, ends_ns, "", "", now_ns)
        self.loop.run_until_complete(self.store.silence(one))
        self.dispatcher.silence(one)
        self.silenced[severity] = self.clock.monotonic_s() + minutes * 60
        self.settle()

    @rule(number=st.integers(0, 7))
    def one_that_is_told_is_silenced_while_its_group_has_news(self, number: int) -> None:
        """Chance alone seldom finds its way here."""
        known = sorted(self.knows["all"] & self.firing)
        if known:
            kind, host, severity = known[number % len(known)]
            self.silence(severity, 5)
            self.alert((kind, host, "warn" if severity == "page" else "page"), False, False)
            self.time_passes(61.0)

    @rule()
    def crash(self) -> None:
        self.restart()
        self.settle()

    @rule(times=st.integers(1, 3))
    def store_is_away(self, times: int) -> None:
        self.store.refuse = times

    @rule(seconds=st.sampled_from([0.5, 5.0, 15.0, 59.0, 61.0, 300.0, 3_600.0]))
    def time_passes(self, seconds: float) -> None:
        end_s = self.clock.monotonic_s() + seconds
        self.settle()
        while (left_s := end_s - self.clock.monotonic_s()) > 0:
            self.clock.advance(max(0.001, min(left_s, self.dispatcher.wait_s(), 5.0)))
            self.settle()

    def settle(self) -> None:
        """Tell what is due, however often the store refuses, and hear it."""
        while True:
            with contextlib.suppress(StoreError):
                self.loop.run_until_complete(self.dispatcher.tell_due())
                break
        for notice in self.store.every[self.read :]:
            self.hear(notice)
        self.read = len(self.store.every)
        for told in self.store.kept.told.values():
            if told.receiver == "starts" and not told.firing:  # it is not told, but noted
                over = {name for name in NAMES if told.group == group_of("starts", name)}
                self.knows["starts"] -= over - self.firing
        self.judge()

    def hear(self, notice: Notice) -> None:
        now_s = self.clock.monotonic_s()
        alerts = read(notice.body).alerts
        knows = self.knows[notice.receiver]
        names = {tuple(one.labels.values()): one.fires for one in alerts}
        fires = {name for name, firing in names.items() if firing}
        over = names.keys() - fires
        assert over <= knows, "an end is told once, and only of what was told"
        assert fires <= self.firing
        assert not any(self.muted(name) for name in fires)
        place = (notice.receiver, notice.group)
        apart_s = now_s - self.last_s.get(place, -1e9)
        if not over and fires <= knows:
            assert apart_s >= REPEAT_S - 0.01, "nothing is said again too early"
        self.last_s[place] = now_s
        knows |= fires
        knows -= over

    def muted(self, name: Name) -> bool:
        kind, host, severity = name
        if self.silenced.get(severity, 0.0) > self.clock.monotonic_s():
            return True
        return kind == "Slow" and any(one[:2] == ("Down", host) for one in self.firing)

    def judge(self) -> None:
        """Nobody is wrong for long."""
        for name in NAMES:
            muted, fires = self.muted(name), name in self.firing
            for receiver in receivers(name):
                knows = name in self.knows[receiver]
                self.bound(("wrong", receiver, name), fires != knows and not (fires and muted))
                last_s = self.last_s.get((receiver, group_of(receiver, name)), 0.0)
                late = self.clock.monotonic_s() - last_s > REPEAT_S
                self.bound(("late", receiver, name), fires and knows and not muted and late)
            kept = self.store.kept.alerts.get(("default", "r", pairs(name)))
            known = any(name in self.knows[receiver] for receiver in receivers(name))
            assert kept or not known, "it is gone and somebody does not know"
            over = kept is not None and kept.phase is Phase.RESOLVED
            self.bound(("kept", "", name), over and not known)

    def bound(self, what: tuple[str, str, Name], wrong: bool) -> None:
        now_s = self.clock.monotonic_s()
        if not wrong:
            self.since_s.pop(what, None)
            return
        since_s = self.since_s.setdefault(what, now_s)
        assert now_s - since_s <= WAIT_S + INTERVAL_S + 0.01, what


Delivery.TestCase.settings = hypothesis_settings(
    max_examples=examples(30), stateful_step_count=40, deadline=None
)
TestDelivery = Delivery.TestCase
