"""Alerts in the control store: random work beside the store in memory, kill -9, many alerts."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from alertwriter import ALERTS, NOTICES
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from places import Place
from sqlalchemy import Table, delete
from tests.examples import examples

from tailrace.core.alerting import (
    Alert,
    AlertStore,
    Evaluated,
    Matcher,
    Notice,
    Phase,
    RuleText,
    Silence,
    Told,
)
from tailrace.core.errorpatterns import Remembered
from tailrace.core.errors import StoreError
from tailrace.governance.alerts.store import ControlAlerts
from tailrace.governance.control import Control
from tailrace.governance.schema import ALERTS as ALERTS_TABLE
from tailrace.governance.schema import MIGRATIONS

from ..alerts.store import Kept, MemoryAlerts

KILLS = 3
TENANTS = st.sampled_from(["shop", "bank"])
RULES = st.sampled_from(["a", "b"])
NAMES = st.sampled_from(["x", "y", "nul \0 half \ud800"])
TIMES = st.integers(0, 9)
LABELS = st.lists(st.tuples(NAMES, NAMES), max_size=2).map(tuple)
ALERT = st.builds(
    Alert, TENANTS, RULES, LABELS, LABELS, st.sampled_from(Phase), st.sampled_from([1.0, 2.5]),
    TIMES, TIMES, TIMES, TIMES,
)  # fmt: skip
EVALUATED = st.builds(Evaluated, TENANTS, RULES, TIMES, st.floats(0, 9), NAMES, TIMES)
RECEIVERS = st.sampled_from(["mail", "chat"])
TOLD = st.builds(Told, TENANTS, RECEIVERS, NAMES, TIMES, LABELS.map(lambda _: ("f",)))
NOTICE = st.builds(
    Notice, st.just(0), TENANTS, RECEIVERS, NAMES, st.binary(max_size=3), TIMES, TIMES,
    replaceable=st.booleans(),
)  # fmt: skip
MATCHERS = st.lists(st.builds(Matcher, NAMES, st.just("="), NAMES), max_size=2).map(tuple)
SILENCE = st.builds(
    Silence, st.sampled_from(["1", "2"]), TENANTS, MATCHERS, TIMES, TIMES, NAMES, NAMES, TIMES
)
IDS = st.sampled_from(["1", "2", "3"])
SEEN = st.builds(Remembered, TENANTS, IDS, st.just("web"), TIMES, TIMES)
FOLDERS = st.sampled_from(["f", "g"])
TEXT = st.builds(RuleText, TENANTS, FOLDERS, FOLDERS, NAMES, TIMES)


def few(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(strategy, max_size=4)


async def all_of(store: AlertStore) -> list[Any]:
    waiting = await store.waiting(1_000)
    assert [one.id for one in waiting] == sorted({one.id for one in waiting})
    return [
        set(await store.alerts()),
        set(await store.evaluations()),
        set(await store.told()),
        waiting,
        set(await store.silences()),
        await store.rules(),
    ]


class Machine(RuleBasedStateMachine):
    """Two processes on one store, and two on one in memory."""

    place: Place

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.controls = [self.place.control() for _ in range(2)]
        for control in self.controls:
            self.runner.run(control.open())
        kept = Kept()
        self.stores = [ControlAlerts(control) for control in self.controls]
        self.models = [MemoryAlerts(kept) for _ in range(2)]

    @initialize()
    def empty(self) -> None:
        def work(connection: Any) -> None:
            tables = (one for step in MIGRATIONS[4:] for one in step if isinstance(one, Table))
            for table in tables:
                connection.execute(delete(table))

        self.runner.run(self.controls[0].run(work))
        # Numbers of notices go on where another run left them.
        self.both(0, "tell", [], [Notice(0, "shop", "mail", "", b"", 0, 0)], [])
        (first,) = self.runner.run(self.stores[0].waiting(9))
        self.models[0].kept.last_id = first.id
        self.runner.run(self.models[0].sent(self.models[0].kept.notices[0]))
        self.runner.run(self.stores[0].sent(first))

    def teardown(self) -> None:
        for control in self.controls:
            self.runner.run(control.close())
        self.runner.close()

    def both(self, who: int, call: str, *given: Any) -> None:
        said = []
        for store in (self.stores[who], self.models[who]):
            try:
                said.append(self.runner.run(getattr(store, call)(*given)))
            except StoreError as error:
                said.append(type(error))
        assert said[0] == said[1]

    @rule(who=st.integers(0, 1), last=few(EVALUATED), changed=few(ALERT), gone=few(ALERT))
    def evaluated(self, who: int, last: Any, changed: Any, gone: Any) -> None:
        self.both(who, "evaluated", last, changed, gone)

    @rule(who=st.integers(0, 1), last=EVALUATED, changed=few(ALERT), seen=few(SEEN))
    def looked(self, who: int, last: Any, changed: Any, seen: Any) -> None:
        self.both(who, "looked", last, changed, seen)

    @rule(who=st.integers(0, 1), tenant=TENANTS, ids=few(IDS))
    def remembered(self, who: int, tenant: str, ids: Any) -> None:
        self.both(who, "remembered", tenant, ids)

    @rule(who=st.integers(0, 1), tenant=TENANTS, name=RULES)
    def forget(self, who: int, tenant: str, name: str) -> None:
        self.both(who, "forget", tenant, name)

    @rule(who=st.integers(0, 1), told=few(TOLD), notices=few(NOTICE), gone=few(ALERT))
    def tell(self, who: int, told: Any, notices: Any, gone: Any) -> None:
        before = self.models[who].kept.last_id
        self.both(who, "tell", told, notices, gone)
        assert self.models[who].kept.last_id in (before, before + len(notices))

    @rule(who=st.integers(0, 1), place=st.integers(0, 5), fails=st.booleans(), due_ns=TIMES)
    def try_one(self, who: int, place: int, fails: bool, due_ns: int) -> None:
        waiting = self.runner.run(self.models[who].waiting(place + 1))
        if waiting and fails:
            self.both(who, "failed", waiting[-1], due_ns, "no")
        elif waiting:
            self.both(who, "sent", waiting[-1])

    @rule(who=st.integers(0, 1), until=st.integers(0, 400), now=st.integers(0, 400))
    def lead(self, who: int, until: int, now: int) -> None:
        self.both(who, "lead", f"holder {who}", until * 10**9, now * 10**9)

    @rule(one=SILENCE)
    def silence(self, one: Silence) -> None:
        self.both(0, "silence", one)

    @rule(one=TEXT)
    def put_rules(self, one: RuleText) -> None:
        self.both(0, "put_rules", one)

    @rule(tenant=TENANTS, folder=FOLDERS, group=st.sampled_from(["", "f"]))
    def delete_rules(self, tenant: str, folder: str, group: str) -> None:
        self.both(0, "delete_rules", tenant, folder, group)

    @rule(before_ns=TIMES)
    def sweep(self, before_ns: int) -> None:
        self.both(1, "sweep", before_ns)

    @invariant()
    def holds_the_same(self) -> None:
        found = self.runner.run(all_of(self.stores[1]))
        assert found == self.runner.run(all_of(self.models[1]))


@pytest.mark.hypothesis
def test_random_work_of_two_processes_leaves_what_memory_has(place: Place) -> None:
    machine = type("Here", (Machine,), {"place": place})
    how = settings(
        max_examples=examples(8),
        stateful_step_count=25,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=how)


def kept(place: Place) -> tuple[int, int]:
    """The turns that alerts and notices are of; both are whole."""
    found: list[int] = []

    async def look(control: Control) -> None:
        store = ControlAlerts(control)
        alerts, waiting = await store.alerts(), await store.waiting(10 * NOTICES)
        values = {one.value for one in alerts} | {one.slot_ns for one in await store.evaluations()}
        assert len(alerts) == ALERTS
        assert len(values) == 1
        turns = Counter(int(one.body) for one in waiting)
        (told,) = await store.told()
        assert max(turns) == told.at_ns
        assert turns[told.at_ns] == NOTICES
        found[:] = [int(values.pop()), told.at_ns]

    place.use(look, owner=False)
    return found[0], found[1]


def test_every_turn_that_was_acknowledged_is_there_whole_after_kill_9(place: Place) -> None:
    chance = random.Random(7)
    program = Path(__file__).with_name("alertwriter.py")
    for _ in range(KILLS):
        process = subprocess.Popen(
            [sys.executable, str(program), str(place.at)], stdout=subprocess.PIPE, text=True
        )
        try:
            assert process.stdout
            for _ in range(chance.randrange(1, 10)):
                said = int(process.stdout.readline())
            time.sleep(chance.random() * 0.05)  # anywhere within a turn
        finally:
            process.kill()
            rest, _ = process.communicate()
        last = int([str(said), *rest.split()][-1])
        evaluated, told = kept(place)
        assert last <= told <= evaluated <= last + 1


def test_ten_thousand_alerts_are_kept_at_once(place: Place) -> None:
    def many(value: float) -> list[Alert]:
        labels = [(("alertname", "Slow"), ("host", f"h{n}")) for n in range(10_000)]
        return [Alert("shop", "r", one, (), Phase.FIRING, value, 1) for one in labels]

    async def use(control: Control) -> None:
        store = ControlAlerts(control)
        for value in (1.0, 2.0):
            await store.evaluated([], many(value), [])
        assert set(await store.alerts()) == set(many(2.0))
        await store.evaluated([], [], many(2.0)[1:])
        assert await store.alerts() == many(2.0)[:1]

    place.use(use)


def test_a_store_that_fails_quotes_no_labels(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    secret = (("card", "4111-1111"),)
    one = Alert("shop", "r", secret, secret, Phase.FIRING, 1.0, 1)

    async def use(control: Control) -> None:
        await control.run(ALERTS_TABLE.drop)
        with pytest.raises(StoreError) as failed:
            await ControlAlerts(control).evaluated([], [one], [])
        assert "4111" not in str(failed.value)

    place.use(use)
    assert "4111" not in caplog.text
