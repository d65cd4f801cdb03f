"""The canary's rule is evaluated as all are, and rules say how late they are."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tests.alerts.evaluation.answers import Answers, alerting, describe, group, when
from tests.alerts.evaluation.test_evaluator import Recorded
from tests.alerts.store import MemoryAlerts

from tailrace.alerts.evaluation.evaluator import Evaluator
from tailrace.alerts.evaluation.state import Owner
from tailrace.alerts.http.latency import latencies
from tailrace.alerts.latency.canary import Canary
from tailrace.alerts.latency.delays import RuleDelays
from tailrace.alerts.latency.rule import TENANT, Listener, canary_group
from tailrace.alerts.rule import Group, Rule
from tailrace.core.alerting import Alert, Notice, Phase
from tailrace.core.clock import ManualClock
from tailrace.core.errors import QueryError, StoreError
from tailrace.core.metrics import Metrics
from tailrace.query.matrix.matrix import Matrix

S = 1_000_000_000
CANARY = canary_group(15 * S)
EXPR = CANARY.rules[0].expr


class Recording(Recorded):
    """Keeps what the listener does not hear."""

    def __init__(self, listener: Listener) -> None:
        super().__init__()
        self._listener = listener

    async def record(self, group: Group, owner: Owner, found: Matrix, last_slot_ns: int) -> None:
        if not self._listener.heard(group, found):
            await super().record(group, owner, found, last_slot_ns)


class Play:
    """An evaluator with a listener; the canary's query sees the lines up to `seen`."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.metrics = Metrics()
        self.store = MemoryAlerts()
        self.canary = Canary(self.clock, self.metrics)
        self.seen = 0.0
        self.answers = Answers({"up == 0": when(lambda second: True)})
        self.answers.answers[EXPR] = lambda second: {(("run", self.canary.run),): self.seen}
        self.rules = RuleDelays(self.clock, self.metrics)
        self.listener = Listener(CANARY, self.canary, self.rules)
        self.recorded = Recording(self.listener)
        self.one = Evaluator(
            self.store, self.answers, describe, self.recorded, lambda alerts: None, self.clock,
            self.metrics, 0.0, kept=self.listener.kept,
        )  # fmt: skip

    def count(self) -> int:
        return self.canary.delays()["evaluated"].count

    async def slot(self, seconds: float = 15.0) -> None:
        self.clock.advance(seconds)
        await self.one.look()

    def write(self) -> None:
        """A line that is durable."""
        beat = self.canary.make()
        self.canary.reached("durable", [beat])


def run(play: Callable[[Play], Awaitable[None]]) -> None:
    async def whole() -> None:
        await play(Play())

    asyncio.run(whole())


def test_a_line_is_evaluated_when_an_evaluation_that_saw_it_is_kept() -> None:
    async def play(it: Play) -> None:
        await it.one.open([CANARY])
        it.write()
        it.write()
        it.seen = 1.0
        await it.slot()
        assert it.count() == 1
        it.seen = 2.0
        it.store.failure = StoreError("disk")
        await it.slot()
        assert it.count() == 1
        it.store.failure = None
        await it.slot()
        assert it.count() == 2
        assert it.canary.delays()["evaluated"].worst_s == 45.0
        assert it.recorded.found == []

    run(play)


def test_lines_of_another_process_are_not_ours() -> None:
    async def play(it: Play) -> None:
        it.answers.answers[EXPR] = lambda second: {(("run", "another"),): 99.0}
        await it.one.open([CANARY])
        it.write()
        await it.slot()
        assert it.count() == 0

    run(play)


def test_the_canary_is_not_evaluated_more_seldom_than_groups_are_by_default() -> None:
    assert canary_group(300 * S).interval_ns == 15 * S
    assert canary_group(2 * S).interval_ns == 2 * S
    assert canary_group(15 * S).tenant == TENANT


def test_what_other_rules_record_goes_on_its_way() -> None:
    async def play(it: Play) -> None:
        await it.one.open([group(Rule("up == 0", "promql", record="down"))])
        await it.slot()
        assert [name for name, _, _ in it.recorded.found] == ["down"]

    run(play)


def test_a_rule_is_as_late_as_the_oldest_slot_of_its_turn() -> None:
    async def play(it: Play) -> None:
        await it.one.open([group(alerting())])
        await it.slot()
        [stands] = it.one.stands()
        first_s = it.rules.of("shop", stands.owners[0].rule_id).evaluated.worst_s
        await it.slot(45.0)
        found = it.rules.of("shop", stands.owners[0].rule_id).evaluated
        assert found.count == 2
        assert first_s < 15.0
        assert found.worst_s == first_s + 30.0

    run(play)


def test_a_rule_that_fails_is_late_when_it_works_again() -> None:
    async def play(it: Play) -> None:
        await it.one.open([group(alerting())])
        await it.slot()
        right = it.answers.answers["up == 0"]
        it.answers.answers["up == 0"] = QueryError("no")
        for _ in range(4):
            await it.slot()
        [stands] = it.one.stands()
        assert it.rules.of("shop", stands.owners[0].rule_id).evaluated.count == 1
        it.answers.answers["up == 0"] = right
        await it.slot()
        assert it.rules.of("shop", stands.owners[0].rule_id).evaluated.worst_s >= 60.0

    run(play)


def test_a_clock_that_is_set_makes_no_rule_late() -> None:
    async def play(it: Play) -> None:
        await it.one.open([group(alerting())])
        await it.slot()
        for by_s in (86_400.0, -172_800.0):
            it.clock.jump_wall(by_s)
            await it.slot()
            await it.slot()
        [stands] = it.one.stands()
        assert it.rules.of("shop", stands.owners[0].rule_id).evaluated.worst_s < 31.0

    run(play)


def test_what_is_told_and_sent_is_known_by_rule_and_by_tenant() -> None:
    async def play(it: Play) -> None:
        await it.one.open([group(alerting())])
        await it.slot()
        [alert] = it.store.kept.alerts.values()
        made_ns = alert.fired_ns + 4 * S
        it.rules.told([alert], made_ns)
        it.clock.jump_wall((made_ns - it.clock.wall_ns()) / S)
        it.clock.advance(2.0)
        it.rules.sent(Notice(1, "shop", "mail", "g", b"", made_ns, made_ns))
        assert it.rules.of("shop", alert.rule).told.worst_s == 4.0
        assert it.rules.sent_to("shop").worst_s == 2.0
        assert it.rules.sent_to("other").count == 0
        assert 'tailrace_rule_delay_seconds_count{kind="sent"} 1' in it.metrics.render()

    run(play)


def test_a_delay_that_would_be_negative_is_left_out() -> None:
    async def play(it: Play) -> None:
        now_ns = it.clock.wall_ns()
        alert = Alert("shop", "r", (), (), Phase.FIRING, 1.0, now_ns, now_ns)
        it.rules.told([alert], now_ns - S)
        assert it.rules.of("shop", "r").told.count == 0

    run(play)


def test_a_tenant_is_told_of_its_own_rules_and_of_the_canary() -> None:
    async def play(it: Play) -> None:
        await it.one.open([CANARY, group(alerting(name="Down", for_s=60))])
        it.write()
        it.seen = 1.0
        await it.slot()
        found = latencies("shop", it.canary, it.rules, it.one.stands())
        assert [(one.name, one.interval_s, one.for_s) for one in found.rules] == [
            ("Down", 15.0, 60.0)
        ]
        assert found.rules[0].evaluated.count == 1
        assert found.canary
        assert found.canary.stages[-1].delays.count == 1
        assert found.late == ""
        assert latencies("other", None, it.rules, it.one.stands()).canary is None

    run(play)


def test_rules_that_are_no_more_are_forgotten() -> None:
    async def play(it: Play) -> None:
        await it.one.open([group(alerting())])
        await it.slot()
        [stands] = it.one.stands()
        it.rules.retain([])
        assert it.rules.of("shop", stands.owners[0].rule_id).evaluated.count == 0

    run(play)
