"""Groups of rules, slot after slot, over a store of alerts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest
from tests.alerts.evaluation.answers import Answers, alerting, describe, group, when
from tests.alerts.store import MemoryAlerts

from tailrace.alerts.evaluation.evaluator import Evaluator, Settled, at_once
from tailrace.alerts.evaluation.slots import slot_at
from tailrace.alerts.evaluation.state import Owner
from tailrace.alerts.rule import Group, Rule
from tailrace.core import limits
from tailrace.core.alerting import Alert, Phase
from tailrace.core.clock import ManualClock
from tailrace.core.errors import QueryError, StoreError
from tailrace.core.metrics import Metrics
from tailrace.query.matrix.matrix import Matrix

S = 1_000_000_000


class Recorded:
    """What recording rules gave, and when."""

    def __init__(self) -> None:
        self.found: list[tuple[str, int, int]] = []

    async def record(self, group: Group, owner: Owner, found: Matrix, last_slot_ns: int) -> None:
        self.found.append((owner.rule.record, found.steps, last_slot_ns))


class Play:
    """An evaluator whose clock the test moves. `hosts`: those that are down at a second."""

    def __init__(self, store: MemoryAlerts | None = None, at_s: int = 1_800_000_000) -> None:
        self.clock = ManualClock(at_s * S)
        self.store = store or MemoryAlerts()
        self.answers = Answers({"up == 0": when(lambda second: True)})
        self.recorded = Recorded()
        self.metrics = Metrics()
        self.told: list[Alert] = []
        self.delay_s = 0.0
        self.settled: Settled = at_once
        self.one = self.evaluator()

    def evaluator(self) -> Evaluator:
        """As a process that has just started."""
        return Evaluator(
            self.store, self.answers, describe, self.recorded, self._changed, self.clock,
            self.metrics, self.delay_s, settled=self.settled,
        )  # fmt: skip

    def _changed(self, alerts: Sequence[Alert]) -> None:
        self.told += alerts

    async def restart(self, *groups: Group) -> None:
        self.one = self.evaluator()
        await self.one.open(groups)

    async def slots(self, count: int, interval_s: int = 15) -> None:
        """So many slots pass, and each is evaluated."""
        for _ in range(count):
            self.clock.advance(interval_s)
            await self.one.look()

    def phases(self) -> list[str]:
        return sorted(one.phase.value for one in self.store.kept.alerts.values())


def run(play: Callable[[Play], Awaitable[None]]) -> None:
    async def whole() -> None:
        await play(Play())

    asyncio.run(whole())


def test_an_alert_is_kept_and_then_told() -> None:
    async def play(it: Play) -> None:
        await it.one.open([group(alerting(for_s=15))])
        await it.slots(1)
        assert (it.phases(), it.told) == (["pending"], [])
        await it.slots(1)
        assert it.phases() == ["firing"]
        assert [one.phase for one in it.told] == [Phase.FIRING]

    run(play)


def test_nothing_is_told_that_is_not_kept() -> None:
    async def play(it: Play) -> None:
        await it.one.open([group(alerting(for_s=15))])
        await it.slots(1)
        it.store.failure = StoreError("disk")
        await it.slots(3)
        assert it.told == []
        it.store.failure = None
        await it.slots(1)
        [alert] = it.told
        # It fires since the second slot, though that could not be kept then.
        assert alert.fired_ns - alert.active_ns == 15 * S

    run(play)


def test_a_restart_goes_on_where_the_last_evaluation_was() -> None:
    async def play(it: Play) -> None:
        rules = group(alerting(for_s=300))
        await it.one.open([rules])
        await it.slots(1)
        [before] = it.store.kept.alerts.values()
        it.clock.advance(280)
        await it.restart(rules)
        await it.slots(1)
        await it.slots(1)
        [after] = it.store.kept.alerts.values()
        assert after.active_ns == before.active_ns
        assert (after.phase, after.fired_ns - after.active_ns) == (Phase.FIRING, 300 * S)

    run(play)


def test_what_held_while_nothing_ran_is_told_afterwards() -> None:
    async def play(it: Play) -> None:
        rules = group(alerting(for_s=60))
        begins = it.clock.wall_ns() // S
        it.answers.answers["up == 0"] = when(lambda s: begins + 60 < s < begins + 600)
        await it.one.open([rules])
        await it.slots(1)
        it.clock.advance(1_200)
        await it.restart(rules)
        await it.slots(1)
        [alert] = it.told
        assert alert.phase is Phase.RESOLVED
        assert alert.fired_ns - alert.active_ns == 60 * S
        assert it.metrics.get("tailrace_rule_missed_total") == 0

    run(play)


def test_slots_that_are_evaluated_with_a_later_one_are_counted() -> None:
    async def play(it: Play) -> None:
        await it.one.open([group(alerting())])
        await it.slots(2)
        assert it.metrics.get("tailrace_rule_late_total") == 0
        it.clock.advance(30)
        await it.slots(1)
        assert it.metrics.get("tailrace_rule_late_total") == 2

    run(play)


def test_missed_slots_that_take_too_long_are_asked_for_by_halves() -> None:
    class Slow(Answers):
        async def value(self, *words: object) -> Matrix:
            found = await super().value(*words)  # type: ignore[arg-type]
            if self.asked[-1][1].steps > 10:
                raise TimeoutError
            return found

    async def play(it: Play) -> None:
        rules = group(alerting())
        await it.one.open([rules])
        await it.slots(1)
        it.answers = slow = Slow(it.answers.answers)
        it.clock.advance(15 * 18)
        await it.restart(rules)
        await it.slots(3)
        [[said]] = [one.last for one in it.one.stands()]
        assert said.error != ""
        await it.slots(2)
        assert [grid.steps for _, grid in slow.asked] == [19, 9, 12, 6, 8]
        [[said]] = [one.last for one in it.one.stands()]
        assert (said.error, said.slot_ns) == ("", slot_at(rules, it.clock.wall_ns()))
        assert it.metrics.get("tailrace_rule_missed_total") == 0

    run(play)


def test_a_rule_that_fails_says_so_stays_as_it_is_and_makes_up_for_it() -> None:
    async def play(it: Play) -> None:
        await it.one.open([group(alerting(for_s=45))])
        await it.slots(1)
        works = it.answers.answers["up == 0"]
        it.answers.answers["up == 0"] = QueryError("too much")
        await it.slots(2)
        [[said]] = [one.last for one in it.one.stands()]
        assert (said.error, it.phases()) == ("too much", ["pending"])
        assert it.metrics.labelled("tailrace_rule_failures_total") == {"expression": 2}
        it.answers.answers["up == 0"] = works
        await it.slots(1)
        [[said]] = [one.last for one in it.one.stands()]
        assert (said.error, it.phases()) == ("", ["firing"])

    run(play)


def test_a_rule_that_fails_holds_up_no_other_of_its_group() -> None:
    async def play(it: Play) -> None:
        it.answers.answers["bad"] = QueryError("no")
        await it.one.open([group(alerting("bad", name="Bad"), alerting())])
        await it.slots(1)
        assert [one.labels[0] for one in it.told] == [("alertname", "Down")]

    run(play)


def test_what_nobody_foresaw_in_a_group_stops_no_other() -> None:
    async def play(it: Play) -> None:
        it.answers.answers["bad"] = ZeroDivisionError()
        await it.one.open([group(alerting("bad"), name="a"), group(alerting(), name="b")])
        await it.slots(2)
        assert it.phases() == ["firing"]
        assert it.metrics.get("tailrace_rule_failures_total", "group") == 2

    run(play)


def test_the_alerts_of_a_rule_that_is_gone_have_ended_and_those_of_one_that_stays_go_on() -> None:
    async def play(it: Play) -> None:
        it.answers.answers["x"] = when(lambda _: True)
        other = alerting("x", name="Other")
        await it.one.open([group(alerting(for_s=60), other)])
        await it.slots(2)
        await it.one.load([group(alerting(for_s=60))])
        ended = it.told[-1]
        assert (dict(ended.labels)["alertname"], ended.phase) == ("Other", Phase.RESOLVED)
        assert ended in it.store.kept.alerts.values()
        await it.slots(3)
        await it.store.tell([], [], [ended])
        [alert] = it.store.kept.alerts.values()
        assert (dict(alert.labels)["alertname"], alert.phase) == ("Down", Phase.FIRING)

    run(play)


def test_what_was_pending_when_its_rule_went_begins_anew_with_it() -> None:
    async def play(it: Play) -> None:
        begins = it.clock.wall_ns() // S
        a, b = (("host", "a"),), (("host", "b"),)
        it.answers.answers["up == 0"] = lambda s: {a: 1.0, b: 1.0} if s > begins + 60 else {a: 1.0}
        await it.one.open([group(alerting(for_s=60))])
        await it.slots(6)
        assert it.phases() == ["firing", "pending"]
        await it.one.load([])
        assert it.phases() == ["resolved"]
        it.clock.advance(600)
        await it.one.load([group(alerting(for_s=60))])
        await it.slots(2)
        assert it.phases() == ["pending", "pending"]

    run(play)


def test_a_rule_that_is_gone_is_forgotten_when_everybody_knows() -> None:
    async def play(it: Play) -> None:
        await it.one.open([group(alerting())])
        await it.slots(1)
        await it.restart()
        await it.restart()
        [ended] = it.store.kept.alerts.values()
        assert ended.phase is Phase.RESOLVED
        assert len(it.store.kept.evaluations) == 1
        await it.store.tell([], [], [ended])
        await it.restart()
        assert not it.store.kept.evaluations

    run(play)


@pytest.mark.parametrize("by_s", [3_600, -3_600])
def test_a_clock_that_is_set_changes_no_duration(by_s: int) -> None:
    async def play(it: Play) -> None:
        await it.one.open([group(alerting(for_s=60))])
        await it.slots(3)
        it.clock.jump_wall(by_s)
        await it.slots(1)
        assert it.phases() == ["pending"]
        await it.slots(2)
        assert it.phases() == ["firing"]
        assert it.metrics.get("tailrace_rule_clock_jumps_total") == 1
        # An hour that never was has no slots.
        assert max(grid.steps for _, grid in it.answers.asked) == 1

    run(play)


def test_a_clock_that_was_set_back_while_nothing_ran_changes_no_duration() -> None:
    async def play(it: Play) -> None:
        rules = group(alerting(for_s=60))
        await it.one.open([rules])
        await it.slots(3)
        it.clock.jump_wall(-3_600)
        await it.restart(rules)
        await it.slots(3)
        assert it.phases() == ["firing"]

    run(play)


def test_recorded_series_are_of_the_slots() -> None:
    async def play(it: Play) -> None:
        it.answers.answers["sum(x)"] = when(lambda _: True, ())
        rules = group(Rule("sum(x)", "promql", record="x:sum"))
        await it.one.open([rules])
        await it.slots(1)
        it.clock.advance(30)
        await it.slots(1)
        now = slot_at(rules, it.clock.wall_ns())
        assert it.recorded.found == [("x:sum", 1, now - 45 * S), ("x:sum", 3, now)]

    run(play)


def test_slots_that_are_told_of_a_few_at_a_time_are_recorded_late_and_each_once() -> None:
    async def play(it: Play) -> None:
        it.answers.answers["sum(x)"] = when(lambda _: True, ())
        rules = group(Rule("sum(x)", "promql", record="x:sum"))
        await it.one.open([rules])
        await it.slots(1)
        it.answers.steps = 2
        it.clock.advance(30)
        await it.slots(2)
        now = slot_at(rules, it.clock.wall_ns())
        assert it.recorded.found[1:] == [("x:sum", 2, now - 30 * S), ("x:sum", 2, now)]
        assert it.metrics.get("tailrace_rule_late_total") == 3
        assert it.metrics.get("tailrace_rule_missed_total") == 0

    run(play)


def test_an_evaluation_is_remembered_with_its_slot() -> None:
    async def play(it: Play) -> None:
        rules = group(alerting())
        await it.one.open([rules])
        await it.slots(1)
        [said] = it.store.kept.evaluations.values()
        assert said.slot_ns == slot_at(rules, it.clock.wall_ns())

    run(play)


def test_so_many_groups_are_evaluated_at_once() -> None:
    class Slow(Answers):
        now = most = 0

        async def value(self, *words: object) -> Matrix:
            self.now += 1
            self.most = max(self.most, self.now)
            for _ in range(5):
                await asyncio.sleep(0)
            self.now -= 1
            return await super().value(*words)  # type: ignore[arg-type]

    async def play(it: Play) -> None:
        it.answers = slow = Slow(it.answers.answers)
        await it.restart(*(group(alerting(), name=f"g{n}") for n in range(10)))
        await it.slots(1)
        assert slow.most == limits.RULE_GROUPS_AT_ONCE
        assert len(slow.asked) == 10

    run(play)


def test_groups_of_the_same_slots_come_one_after_the_other() -> None:
    async def play(it: Play) -> None:
        await it.restart(*(group(alerting(), name=f"g{n}") for n in range(12)))
        await it.slots(1, 3600)
        starts = [grid.start_ns for _, grid in it.answers.asked]
        assert starts == sorted(starts)
        assert 1 < len(set(starts)) < len(starts)

    run(play)


def test_alerts_that_everybody_was_told_of_are_let_go() -> None:
    async def play(it: Play) -> None:
        begins = it.clock.wall_ns() // S
        it.answers.answers["up == 0"] = when(lambda second: second <= begins + 15)
        await it.one.open([group(alerting())])
        await it.slots(2)
        [resolved] = [one for one in it.told if one.phase is Phase.RESOLVED]
        it.one.told([resolved])
        assert [standing.alerts for standing in it.one.stands()[0].standing] == [{}]

    run(play)


def test_an_alert_that_is_back_is_not_let_go() -> None:
    async def play(it: Play) -> None:
        begins = it.clock.wall_ns() // S
        it.answers.answers["up == 0"] = when(lambda s: not begins + 20 < s < begins + 40)
        await it.one.open([group(alerting())])
        await it.slots(4)
        [resolved] = [one for one in it.told if one.phase is Phase.RESOLVED]
        it.one.told([resolved])
        assert it.phases() == ["firing"]
        assert len(it.one.stands()[0].standing[0].alerts) == 1

    run(play)
