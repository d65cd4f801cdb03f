"""Looks at new errors: what is told, what is kept, and what a crash takes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.alerts.store import Kept, MemoryAlerts
from tests.examples import examples

from tailrace.alerts.streaming.newpatterns import NewPatterns
from tailrace.core import limits
from tailrace.core.alerting import Alert, Evaluated, Labels, Phase
from tailrace.core.clock import ManualClock
from tailrace.core.errorpatterns import Remembered, id_of
from tailrace.core.errors import QueryError, StoreError
from tailrace.core.metrics import Metrics
from tailrace.query.patterns.errors import Errors, Lines

S = 10**9
LEARNING_S = 3_600.0
# For what is remembered: less than there is, and enough.
ROOM = (5, 1_000)


class Row(NamedTuple):
    at_ns: int
    tenant: str
    service: str
    statement: str  # "" for a line that is no error


class Store(MemoryAlerts):
    """`forgets`: the next look is kept, and yet an error comes back."""

    forgets = False

    async def looked(
        self, last: Evaluated, changed: Sequence[Alert], seen: Sequence[Remembered]
    ) -> None:
        await super().looked(last, changed, seen)
        if self.forgets:
            self.forgets = False
            raise StoreError("no answer came")


class World:
    """What was logged, and a process that looks at it; `restart` is another one."""

    def __init__(self, learning_s: float = LEARNING_S, tenants: Sequence[str] = ("t",)) -> None:
        self.clock = ManualClock()
        self.store = Store(Kept())
        self.rows: list[Row] = []
        self.told: list[Alert] = []
        self.whole = True
        self.refused: set[str] = set()
        self.asked: list[tuple[int, int]] = []
        self._learning_s, self._tenants = learning_s, tenants
        self.metrics = Metrics()
        self.restart()

    def restart(self) -> None:
        self.one = NewPatterns(
            self.store, self._ask, self._stored, self.told.extend, self.clock, self.metrics,
            self._tenants, 60.0, self._learning_s,
        )  # fmt: skip
        failure, self.store.failure = self.store.failure, None
        asyncio.run(self.one.open())
        self.store.failure = failure

    def log(self, statement: str, service: str = "web", tenant: str = "t") -> None:
        self.rows.append(Row(self.clock.wall_ns(), tenant, service, statement))

    async def _ask(self, tenant: str, since_ns: int, until_ns: int) -> Errors:
        self.asked.append((since_ns, until_ns))
        if tenant in self.refused:
            raise QueryError("it reads too much")
        services: dict[str, int] = {}
        found: dict[tuple[str, str], Lines] = {}
        for row in self.rows:
            if row.tenant == tenant and since_ns <= row.at_ns < until_ns:
                services.setdefault(row.service, row.at_ns)
                if row.statement:
                    key = (row.service, row.statement)
                    found.setdefault(key, Lines(0, row.at_ns)).number += 1
        return Errors(services, found)

    async def _stored(self, timeout_s: float) -> bool:
        assert timeout_s == limits.NEW_PATTERN_STORED_S
        return self.whole

    def look(self, after_s: float = 60) -> None:
        self.clock.advance(after_s)
        asyncio.run(self.one.look())

    def learned(self) -> None:
        """The service is known for long enough."""
        self.log("")
        self.look()
        self.look(LEARNING_S)

    @property
    def kept(self) -> dict[Labels, Alert]:
        return {labels: one for (_, _, labels), one in self.store.kept.alerts.items()}

    def error(self, tenant: str = "t") -> str:
        return {one.group.tenant: one.last[0].error for one in self.one.stands()}[tenant]

    def patterns(self, phase: Phase = Phase.FIRING) -> list[str]:
        """Of the alerts that were told, in their order; each once, however often it was told."""
        some = {(one.labels, one.fired_ns): one for one in self.told if one.phase is phase}
        return [dict(labels).get("pattern", "") for labels, _ in some]


def test_a_new_error_of_a_service_that_is_known_fires_once_and_ends_a_quarter_hour_later() -> None:
    it = World()
    it.learned()
    it.log("it broke")
    it.look()
    it.log("it broke")
    it.look()
    assert it.patterns() == ["it broke"]
    for _ in range(14):
        it.look()
    assert it.patterns(Phase.RESOLVED) == []
    it.look()
    assert (it.patterns(), it.patterns(Phase.RESOLVED)) == (["it broke"], ["it broke"])


def test_while_a_service_is_learned_nothing_is_told_and_nothing_of_it_is_new_later() -> None:
    it = World()
    it.log("it broke")
    it.look()
    it.log("again")
    it.look(LEARNING_S - 61)
    assert it.told == []
    it.look(120)
    it.log("it broke")
    it.log("again")
    it.look()
    assert it.told == []
    it.log("new")
    it.look()
    assert it.patterns() == ["new"]


def test_the_first_look_learns_what_the_store_has_of_the_time_of_learning() -> None:
    it = World()
    it.log("it broke")
    it.look(LEARNING_S - 1)
    assert it.asked[0][0] == it.clock.wall_ns() - int(LEARNING_S) * S
    assert it.told == []
    it.log("new")
    it.look()
    assert it.patterns() == ["new"]


def test_a_long_time_is_learned_in_parts_between_which_no_line_falls() -> None:
    it = World(86_400.0)
    for n in range(200):
        it.log("x" * (n + 1))
        it.clock.advance(430)
    it.look(1)
    assert len(it.asked) == 24
    assert all(one[1] == other[0] for one, other in zip(it.asked, it.asked[1:], strict=False))
    its = {one.id for one in it.store.kept.patterns.values()}
    assert its == {id_of("web"), *(id_of("web", "x" * (n + 1)) for n in range(200))}


def test_what_cannot_be_learned_at_once_is_learned_from_less_and_then_as_it_comes() -> None:
    it = World()
    it.refused = {"t"}
    it.log("it broke")
    it.look(LEARNING_S - 100)
    it.refused = set()
    it.log("fine")
    it.look()
    [first, second] = it.asked
    assert first[0] < second[0] == it.clock.wall_ns() - int(LEARNING_S / 4) * S
    it.look(300)
    it.log("it broke")
    it.look()
    assert it.told == []


def test_a_restart_goes_on_where_the_last_look_was() -> None:
    it = World()
    it.learned()
    it.log("it broke")
    it.look()
    it.log("new")
    it.restart()
    it.log("it broke")
    it.look(600)
    assert it.patterns() == ["it broke", "new"]


def test_what_could_not_be_kept_is_told_at_the_next_look_and_no_sooner() -> None:
    it = World()
    it.learned()
    it.log("it broke")
    it.store.failure = StoreError("disk")
    it.look()
    assert (it.told, it.error()) == ([], "disk")
    assert it.metrics.get("tailrace_rule_failures_total", "store") == 1
    it.store.failure = None
    it.look()
    assert (it.patterns(), it.error()) == (["it broke"], "")


def test_what_was_kept_though_no_answer_came_is_told() -> None:
    it = World()
    it.learned()
    it.log("it broke")
    it.store.forgets = True
    it.look()
    assert it.told == []
    it.look()
    assert it.patterns() == ["it broke"]


def test_a_question_that_fails_is_the_rules_error_and_goes_back_to_the_last_answer() -> None:
    it = World()
    it.learned()
    it.refused = {"t"}
    it.log("it broke")
    it.look()
    assert (it.told, it.error()) == ([], "it reads too much")
    assert it.metrics.get("tailrace_rule_failures_total", "expression") == 1
    it.refused = set()
    it.look()
    assert (it.patterns(), it.error()) == (["it broke"], "")


def test_it_goes_back_an_hour_at_most() -> None:
    it = World()
    it.learned()
    it.look(3 * limits.NEW_PATTERN_CATCH_UP_S)
    assert it.asked[-1][0] == it.clock.wall_ns() - limits.NEW_PATTERN_CATCH_UP_S * S


def test_lines_that_the_store_does_not_have_yet_are_found_when_it_has_them() -> None:
    it = World()
    it.learned()
    it.whole = False
    late = Row(it.clock.wall_ns() + 30 * S, "t", "web", "it broke")
    for _ in range(5):
        it.look()
    it.rows.append(late)
    it.whole = True
    it.look(300)
    assert it.patterns() == ["it broke"]


@pytest.mark.parametrize("back_s", [40, 1_800])
def test_a_clock_that_was_set_back_leaves_no_hole(back_s: float) -> None:
    it = World()
    it.learned()
    it.look(LEARNING_S)
    it.clock.jump_wall(-back_s)
    it.log("it broke")
    it.look()
    assert it.patterns() == ["it broke"]


def test_a_thousand_new_ones_are_one_alert() -> None:
    it = World()
    it.learned()
    for n in range(1_000):
        it.log("x" * (n + 1))
    it.look()
    assert it.patterns() == [""]
    assert it.told[0].value == 1_000


def test_one_tenant_that_cannot_be_asked_holds_up_no_other() -> None:
    it = World(0.0, ("a", "b"))
    it.refused = {"a"}
    for tenant in ("a", "b", "c"):
        it.log("it broke", tenant=tenant)
    it.look(1)
    assert [one.tenant for one in it.told] == ["b"]
    assert (it.error("a"), it.error("b")) == ("it reads too much", "")


def test_alerts_of_a_tenant_that_is_looked_at_no_more_end() -> None:
    it = World(0.0, ("a", "b"))
    it.log("it broke", tenant="a")
    it.look(1)
    it._tenants = ("b",)
    it.restart()
    for _ in range(17):
        it.look()
    assert [(one.tenant, one.phase) for one in it.told][-1] == ("a", Phase.RESOLVED)
    assert not it.one.firing("a")


def test_it_is_a_rule_that_others_do_not_forget() -> None:
    it = World()
    [stands] = it.one.stands()
    assert (stands.group.folder, stands.owners[0].rule.name) == ("built in", "NewErrorPattern")
    assert it.one.owns("t", stands.owners[0].rule_id)
    assert not it.one.owns("t", "another")


class Machine(RuleBasedStateMachine):
    """Errors that come, looks, kills, a store that fails, and too little room to remember."""

    def __init__(self) -> None:
        super().__init__()
        self.it = World(300.0)
        self.learning: set[str] = set()
        self.kept_ever: dict[tuple[Labels, int], Alert] = {}
        self.swept: Counter[str] = Counter()
        self.first_ns = 0  # the first look that was kept
        self.before: set[str] = set()

    @rule(service=st.sampled_from("ab"), statement=st.sampled_from(["", *"uvwxyz"]))
    def log(self, service: str, statement: str) -> None:
        self.it.log(statement and statement * 3, service)

    @rule(service=st.sampled_from("ab"), count=st.integers(6, 9))
    def burst(self, service: str, count: int) -> None:
        for n in range(count):
            self.it.log("burst" + "x" * n, service)

    @rule(after_s=st.sampled_from([1, 60, 400, 1_000]))
    def look(self, after_s: int) -> None:
        self.it.look(after_s)

    @rule()
    def kill(self) -> None:
        self.it.restart()

    @rule(fails=st.booleans())
    def store(self, fails: bool) -> None:
        self.it.store.failure = StoreError("disk") if fails else None

    @precondition(lambda self: not self.it.store.failure)
    @rule()
    def no_answer(self) -> None:
        self.it.store.forgets = True

    @invariant()
    def nothing_is_known_that_nobody_is_told_of(self) -> None:
        """But for what was learned; and none twice, unless it was swept in between."""
        now = {one: seen for (_, one), seen in self.it.store.kept.patterns.items()}
        self.swept.update(self.before - now.keys())
        self.before = set(now)
        if not self.first_ns and self.it.store.kept.evaluations:
            self.first_ns = self.it.clock.wall_ns()
        for labels, alert in self.it.kept.items():
            if alert.fired_ns:
                self.kept_ever[labels, alert.fired_ns] = alert
        fired = Counter(
            (named["service_name"], named.get("pattern", ""))
            for labels, _ in self.kept_ever
            if (named := dict(labels))
        )
        for service, statement in {(row.service, row.statement) for row in self.it.rows}:
            one = now.get(id_of(service, statement))
            if not statement or one is None:
                continue
            began = now.get(id_of(service))
            many = fired[service, ""]
            if began and not self.swept and one.first_ns - began.first_ns >= 300 * S:
                assert fired[service, statement] or many, statement
            elif began and not self.swept:
                assert not fired[service, statement], statement
            assert fired[service, statement] <= 1 + self.swept[one.id] + self.swept.total()

    def teardown(self) -> None:
        self.it.store.failure, self.it.store.forgets = None, False
        self.it.look(1)
        self.it.look(1)
        now_ns, known = self.it.clock.wall_ns(), self.it.store.kept.patterns
        since_ns = max(now_ns - 3_600 * S, (self.first_ns or now_ns) - 299 * S)
        lately = {row for row in self.it.rows if row.at_ns >= since_ns}
        if ROOM[0] < limits.ERROR_PATTERNS:
            assert all(("t", id_of(row.service, row.statement)) in known for row in lately)
        told = {(one.labels, one.fired_ns) for one in self.it.told}
        fires = {(labels, one.fired_ns) for labels, one in self.it.kept.items() if _fires(one)}
        at_start = {(labels, one.fired_ns) for labels, one in self.it.one.firing("t").items()}
        assert fires == at_start
        # What is not told by this process was kept by one before it, and is told at its start.
        assert fires - told <= set(self.kept_ever) | told


def _fires(alert: Alert) -> bool:
    return alert.phase is Phase.FIRING


@pytest.mark.hypothesis
@pytest.mark.parametrize("room", ROOM)
def test_whatever_happens_each_new_error_is_told_and_none_twice(
    room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ERROR_PATTERNS", room)
    how: Any = settings(
        max_examples=examples(30), stateful_step_count=25, deadline=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    run_state_machine_as_test(Machine, settings=how)
