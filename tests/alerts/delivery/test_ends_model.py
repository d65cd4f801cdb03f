"""Evaluator and dispatcher over one store, with the death of the process at any transaction: what
fires is told, also what fired and ended while nothing ran, and whoever was told of it is told of
its end, once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from alerting import settings
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from keeping import MemoryStore
from tests.alerts.evaluation.answers import Answers, describe, group
from tests.examples import examples

from tailrace.alerts.delivery.dispatcher import Dispatcher
from tailrace.alerts.delivery.inhibition import Inhibition
from tailrace.alerts.delivery.messages import read
from tailrace.alerts.delivery.routing import tree
from tailrace.alerts.evaluation.evaluator import Evaluator
from tailrace.alerts.rule import Group, Rule
from tailrace.core.alerting import Alert, Evaluated, Labels, Notice, Told
from tailrace.core.clock import ManualClock
from tailrace.core.metrics import Metrics

S = 1_000_000_000
SLOT_S = 15
SETTINGS = settings(
    """
[alerts]
group_wait = "5s"
group_interval = "1m"
[[alerts.receivers]]
name = "all"
kind = "log"
[[alerts.receivers]]
name = "each"
kind = "log"
[[alerts.routes]]
receiver = "all"
continue = true
[[alerts.routes]]
receiver = "each"
group_by = ["..."]
"""
)
RECEIVERS = ("all", "each")
# Whose alerts fire at once, after two slots, and go on for one.
RULES = {
    "Now": Rule("now", "promql", alert="Now"),
    "Later": Rule("later", "promql", alert="Later", for_ns=2 * SLOT_S * S),
    "Sticky": Rule(
        "sticky", "promql", alert="Sticky", for_ns=SLOT_S * S, keep_firing_ns=SLOT_S * S
    ),
}
Name = tuple[str, str]  # alert and host
NAMES = [(alert, host) for alert in RULES for host in ("a", "b")]


class Death(BaseException):
    """Of the process."""


class Mortal(MemoryStore):
    """In so many transactions the process dies, `before` or after it is durable."""

    def __init__(self) -> None:
        super().__init__()
        self.left = 0
        self.before = False

    async def evaluated(
        self, last: Sequence[Evaluated], changed: Sequence[Alert], gone: Sequence[Alert]
    ) -> None:
        await self._dying(super().evaluated(last, changed, gone))

    async def tell(
        self, told: Sequence[Told], notices: Sequence[Notice], gone: Sequence[Alert]
    ) -> None:
        await self._dying(super().tell(told, notices, gone))

    async def _dying(self, transaction: Coroutine[Any, Any, None]) -> None:
        dies, self.left = self.left == 1, max(0, self.left - 1)
        if dies and self.before:
            transaction.close()
            raise Death
        await transaction
        if dies:
            raise Death


class Ends(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.clock = ManualClock(1_800_000_000 * S)
        self.store = Mortal()
        self.since: dict[Name, list[int]] = {name: [] for name in NAMES}  # when it was turned
        self.there = set(RULES)
        self.read = 0
        self.knows: dict[str, set[Name]] = {receiver: set() for receiver in RECEIVERS}
        self.unheard: set[tuple[str, Name]] = set()  # by receiver
        self.seen: set[tuple[Name, int]] = set()  # with when it fired unheard
        self.restart()

    def restart(self) -> None:
        self.dispatcher = Dispatcher(
            self.store, tree(SETTINGS), Inhibition(()), self.clock, forgotten=self._forgotten
        )
        answers = Answers({one.expr: self._answer(name) for name, one in RULES.items()})
        self.evaluator = Evaluator(
            self.store, answers, describe, _Nothing(), self._changed, self.clock, Metrics(), 0.0
        )
        self.store.left = 0

        async def open_both() -> None:
            await self.dispatcher.load()
            await self.evaluator.open([self._group()])

        asyncio.run(open_both())

    def _changed(self, alerts: Sequence[Alert]) -> None:
        self.dispatcher.changed(alerts)

    def _forgotten(self, alerts: Sequence[Alert]) -> None:
        self.evaluator.told(alerts)

    def _group(self) -> Group:
        return group(*(one for name, one in RULES.items() if name in self.there))

    def _answer(self, alert: str) -> Callable[[int], dict[Labels, float]]:
        def answer(second: int) -> dict[Labels, float]:
            return {
                (("host", host),): 1.0
                for name, host in NAMES
                if name == alert and self.holds((name, host), second)
            }

        return answer

    def holds(self, name: Name, second: int) -> bool:
        return sum(turned < second for turned in self.since[name]) % 2 == 1

    def now_s(self) -> int:
        return self.clock.wall_ns() // S

    def alive(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do it; where the process dies, another one begins."""

        async def run() -> None:
            await work()

        try:
            asyncio.run(run())
        except Death:
            self.restart()
        self.hear()

    @rule(name=st.sampled_from(NAMES), seconds=st.sampled_from([1, 20, 45]))
    def a_condition_comes_or_goes(self, name: Name, seconds: int) -> None:
        """Nothing is evaluated for so long."""
        self.since[name].append(self.now_s())
        self.clock.advance(seconds)

    @rule(slots=st.integers(1, 5), late=st.booleans())
    def slots_pass(self, slots: int, late: bool) -> None:
        """`late`: they are evaluated in one turn."""
        for number in range(slots):
            self.clock.advance(SLOT_S)
            if not late or number == slots - 1:
                self.alive(self.evaluator.look)

    @rule(slots=st.integers(1, 6))
    def time_passes(self, slots: int) -> None:
        for _ in range(slots):
            self.slots_pass(1, False)
            self.receivers_are_told()

    @rule(
        number=st.integers(0, 9),
        slots=st.lists(st.integers(1, 3), min_size=1, max_size=4),
        dies=st.booleans(),
    )
    def one_that_was_told_flaps(self, number: int, slots: list[int], dies: bool) -> None:
        """Chance alone seldom finds its way here."""
        if known := sorted(self.knows["all"]):
            for count in slots:
                self.a_condition_comes_or_goes(known[number % len(known)], 1)
                self.slots_pass(count, False)
            if dies:
                self.restart()

    @rule()
    def receivers_are_told(self) -> None:
        self.alive(self.dispatcher.tell_due)

    @rule()
    def the_process_dies(self) -> None:
        self.restart()

    @rule(transactions=st.integers(1, 4), before=st.booleans())
    def it_will_die_at_a_transaction(self, transactions: int, before: bool) -> None:
        self.store.left, self.store.before = transactions, before

    @rule(alert=st.sampled_from(sorted(RULES)))
    def a_rule_goes_or_is_back(self, alert: str) -> None:
        self.there ^= {alert}
        self.alive(lambda: self.evaluator.load([self._group()]))

    def hear(self) -> None:
        for notice in self.store.every[self.read :]:
            knows = self.knows[notice.receiver]
            for one in read(notice.body).alerts:
                name = (one.labels["alertname"], one.labels["host"])
                if not one.fires:
                    assert name in knows, "an end is told once, and only of what was told"
                    assert one.starts_at < one.ends_at
                    assert not one.starts_at.startswith("0001")
                (knows.add if one.fires else knows.discard)(name)
                self.unheard.discard((notice.receiver, name))
        self.read = len(self.store.every)
        for alert in self.store.kept.alerts.values():
            labels = dict(alert.labels)
            name = (labels["alertname"], labels["host"])
            if alert.missed_ns and (name, alert.missed_ns) not in self.seen:
                # It stays until everybody heard of it: of one it is seen once.
                self.seen.add((name, alert.missed_ns))
                missing = (one for one in RECEIVERS if name not in self.knows[one])
                self.unheard |= {(one, name) for one in missing}

    def teardown(self) -> None:
        """In the end everybody knows how it is: first while what holds goes on, then when nothing
        does any more."""
        if not hasattr(self, "store"):
            return
        self.store.left = 0
        self.time_passes(12)
        fires = {n for n in NAMES if n[0] in self.there and self.holds(n, self.now_s())}
        assert all(knows == fires for knows in self.knows.values()), (self.knows, fires)
        for name in NAMES:
            if self.holds(name, self.now_s()):
                self.since[name].append(self.now_s())
        self.time_passes(12)
        assert not any(self.knows.values()), self.knows
        assert not self.unheard
        assert not self.store.kept.alerts


class _Nothing:
    async def record(self, *words: object) -> None:
        """There are no such rules."""


Ends.TestCase.settings = hypothesis_settings(
    max_examples=examples(50), stateful_step_count=30, deadline=None
)
TestEnds = Ends.TestCase
