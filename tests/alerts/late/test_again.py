"""Rules are evaluated again at slots that late rows came for, once, and what differs is told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tailrace.alerts.evaluation.evaluator import Evaluator, at_once
from tailrace.alerts.evaluation.slots import slot_at
from tailrace.alerts.late.again import Again, Report
from tailrace.alerts.rule import Group, Rule, rule_id
from tailrace.core import limits
from tailrace.core.clock import ManualClock
from tailrace.core.errors import Busy, QueryError
from tailrace.core.frame import Signal
from tailrace.core.metrics import Metrics
from tailrace.query.late import Late

from ..evaluation.answers import Answers, S, alerting, describe, group, when
from ..store import MemoryAlerts

EXPR = 'rate({service_name="pay"}[1m]) > 1'
RULE = Rule(EXPR, "logql", alert="Pay")
OTHER = Rule('rate({service_name="shop"}[1m]) > 1', "logql", alert="Shop")


class Rows:
    """Late rows that a test wrote down, by tenant; exceptions are raised."""

    def __init__(self) -> None:
        self.late: list[Late] | Exception = []
        self.asked: list[tuple[Signal, str, tuple[int, int], int]] = []

    async def of(
        self, signal: Signal, tenant: str, taken_ns: tuple[int, int], since_ns: int
    ) -> list[Late]:
        self.asked.append((signal, tenant, taken_ns, since_ns))
        if isinstance(self.late, Exception):
            raise self.late
        return self.late


class Play:
    """An evaluator and who evaluates again, over answers that a test changes."""

    def __init__(self, *rules: Rule) -> None:
        self.clock = ManualClock()
        self.answers = Answers({rule.expr: when(lambda _: False) for rule in rules})
        self.later = Answers(dict(self.answers.answers))
        self.rows = Rows()
        self.metrics = Metrics()
        self.slept: list[float] = []
        self.group = group(*rules)
        self.settled = True
        self.again = Again(
            self.rows, self.later, lambda: self.one.stands(), self._settled, self.clock,
            self.metrics, self._sleep,
        )  # fmt: skip
        self.one = Evaluator(
            MemoryAlerts(), self.answers, describe, self, lambda _: None, self.clock, self.metrics,
            delay_s=0.0, settled=self._settled, watcher=self.again,
        )  # fmt: skip

    async def record(self, *_: object) -> None:
        """Nothing is stored."""

    async def _settled(self, timeout_s: float) -> bool:
        return self.settled

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    async def slots(self, count: int) -> None:
        for _ in range(count):
            self.clock.advance(15)
            await self.one.look()

    async def late(self, ago_s: float, name: str = "pay") -> None:
        """A row of so long ago comes, and is asked for."""
        at_ns = self.clock.wall_ns() - int(ago_s * S)
        self.rows.late = [Late(name, at_ns)]
        self.again.arrivals.changed("shop", Signal.LOGS, at_ns)
        self.clock.advance(limits.RULE_LATE_LOOK_S)
        await self.again.look()

    async def quiet(self) -> None:
        """No more come."""
        self.clock.advance(limits.RULE_LATE_QUIET_S)
        await self.again.look()

    def report(self, place: int = 0) -> Report | None:
        return self.again.report("shop", rule_id(self.group, place))


def run(play: Callable[[Play], Awaitable[None]], *rules: Rule) -> None:
    async def whole() -> None:
        it = Play(*(rules or (RULE,)))
        await it.one.open([it.group])
        await it.slots(20)
        await play(it)

    asyncio.run(whole())


def test_an_alert_that_would_have_fired_is_told_of() -> None:
    async def play(it: Play) -> None:
        now_s = it.clock.wall_ns() // S
        it.later.answers[EXPR] = when(lambda s: now_s - 120 <= s < now_s - 60)
        await it.late(120)
        assert it.report() is None
        await it.quiet()
        report = it.report()
        assert report is not None
        assert report.difference.missed == ((("host", "a"),),)
        assert (report.difference.held, report.difference.left) == (4, 0)
        # The slots within a minute after the row, and no others.
        assert 4 <= report.difference.slots <= 6
        assert report.first_ns >= (now_s - 120) * S
        assert it.metrics.get("tailrace_rule_late_changes_total", "missed") == 1
        assert it.metrics.get("tailrace_rule_late_slots_total") == report.difference.slots

    run(play)


def test_each_slot_is_evaluated_again_once() -> None:
    async def play(it: Play) -> None:
        await it.late(120)
        await it.quiet()
        [(_, grid)] = it.later.asked
        again = {grid.start_ns + n * grid.step_ns for n in range(grid.steps)}
        await it.late(125 + limits.RULE_LATE_QUIET_S)
        await it.late(300)
        await it.quiet()
        asked = [
            grid.start_ns + n * grid.step_ns
            for _, grid in it.later.asked[1:]
            for n in range(grid.steps)
        ]
        assert asked
        assert not again & set(asked)
        assert len(asked) == len(set(asked))

    run(play)


def test_a_rule_that_reads_other_rows_is_left_alone() -> None:
    async def play(it: Play) -> None:
        await it.late(120, "shop")
        await it.quiet()
        assert {expr for expr, _ in it.later.asked} == {OTHER.expr}
        assert it.report(0) is None
        assert it.report(1) is not None

    run(play, RULE, OTHER)


def test_rows_of_another_tenant_or_signal_touch_nothing() -> None:
    async def play(it: Play) -> None:
        now_ns = it.clock.wall_ns()
        it.rows.late = [Late("pay", now_ns - 120 * S)]
        it.again.arrivals.changed("other", Signal.LOGS, now_ns - 120 * S)
        it.again.arrivals.changed("shop", Signal.METRICS, now_ns - 120 * S)
        it.clock.advance(limits.RULE_LATE_LOOK_S)
        await it.again.look()
        await it.quiet()
        assert len(it.rows.asked) == 2
        assert it.later.asked == []

    run(play)


def test_more_late_rows_than_are_told_touch_all_slots_since_the_first() -> None:
    async def play(it: Play) -> None:
        now_ns = it.clock.wall_ns()
        it.rows.late = [Late("nobody", now_ns)] * limits.RULE_LATE_ROWS
        it.again.arrivals.changed("shop", Signal.LOGS, now_ns - 200 * S)
        it.clock.advance(limits.RULE_LATE_LOOK_S)
        await it.again.look()
        await it.quiet()
        [(_, grid)] = it.later.asked
        assert grid.start_ns - (now_ns - 200 * S) < 15 * S
        assert grid.last_ns == slot_at(it.group, now_ns)

    run(play)


def test_slots_that_were_evaluated_while_the_store_was_behind_are_evaluated_again() -> None:
    async def play(it: Play) -> None:
        it.settled = False
        await it.slots(2)
        slot_ns = slot_at(it.group, it.clock.wall_ns())
        it.later.answers[EXPR] = when(lambda _: True)
        await it.quiet()
        assert it.later.asked == []
        it.settled = True
        await it.quiet()
        [(_, grid)] = it.later.asked
        assert (grid.last_ns, grid.steps) == (slot_ns, 2)
        assert it.metrics.get("tailrace_rule_late_changes_total", "held") == 2

    run(play)


def test_a_question_about_late_rows_that_fails_is_asked_another_time() -> None:
    async def play(it: Play) -> None:
        at_ns = it.clock.wall_ns() - 120 * S
        it.rows.late = Busy("no room")
        it.again.arrivals.changed("shop", Signal.LOGS, at_ns)
        it.clock.advance(limits.RULE_LATE_LOOK_S)
        await it.again.look()
        it.rows.late = [Late("pay", at_ns)]
        await it.again.look()
        await it.quiet()
        assert len(it.rows.asked) == 2
        assert len(it.later.asked) == 1

    run(play)


def test_a_rule_that_cannot_be_evaluated_again_says_so() -> None:
    async def play(it: Play) -> None:
        it.later.answers[EXPR] = QueryError("too much")
        await it.late(120)
        await it.quiet()
        report = it.report()
        assert report is not None
        assert (report.error, report.difference.slots) == ("too much", 0)
        assert it.metrics.get("tailrace_rule_late_changes_total", "failed") == 1

    run(play)


def test_it_takes_a_share_of_the_time() -> None:
    class Slow(Answers):
        async def value(self, *words: object) -> object:  # type: ignore[override]
            it.clock.advance(2)
            return await super().value(*words)  # type: ignore[arg-type]

    async def play(one: Play) -> None:
        nonlocal it
        it = one
        one.later = one.again._ask = Slow(one.later.answers)  # type: ignore[assignment]
        await one.late(120)
        await one.quiet()
        assert one.slept == [2 * (1 / limits.RULE_LATE_SHARE - 1)]

    it: Play
    run(play)


def test_rules_that_are_others_now_are_not_asked_for() -> None:
    async def play(it: Play) -> None:
        await it.late(120)
        other: Group = group(alerting("up == 0"))
        it.answers.answers["up == 0"] = when(lambda _: False)
        await it.one.load([other])
        await it.quiet()
        assert it.later.asked == []

    run(play)


def test_what_was_said_before_the_clock_was_set_is_not_compared() -> None:
    async def play(it: Play) -> None:
        await it.late(120)
        it.clock.jump_wall(-3_600)
        await it.quiet()
        assert it.later.asked == []

    run(play)


def test_nothing_is_asked_while_rows_come_in_time() -> None:
    async def play(it: Play) -> None:
        it.again.arrivals.changed("shop", Signal.LOGS, it.clock.wall_ns() - 1 * S)
        await it.quiet()
        assert (it.rows.asked, it.later.asked) == ([], [])

    run(play)


def test_settled_by_default_needs_no_wait() -> None:
    assert asyncio.run(at_once(5.0))
