"""A slot is evaluated when the store has what came in before it."""

from __future__ import annotations

import asyncio

from tests.alerts.evaluation.answers import S, alerting, group
from tests.alerts.evaluation.test_evaluator import Play, run

from tailrace.alerts.evaluation.slots import slot_at
from tailrace.core import limits
from tailrace.core.alerting import Phase


class Store:
    """Is behind until it is `released`, or for good."""

    def __init__(self, catches_up: bool = True) -> None:
        self.asked: list[float] = []
        self.begun = asyncio.Event()
        self.released = asyncio.Event()
        self._catches_up = catches_up

    async def settled(self, timeout_s: float) -> bool:
        self.asked.append(timeout_s)
        self.begun.set()
        await self.released.wait()
        return self._catches_up


def test_a_slot_is_due_when_what_came_before_it_is_durable() -> None:
    async def play(it: Play) -> None:
        rules = group(alerting())
        it.delay_s = limits.RULE_DELAY_S
        it.clock.advance(15 - (it.clock.wall_ns() - slot_at(rules, it.clock.wall_ns())) / S)
        await it.restart(rules)
        await it.one.look()
        it.clock.advance(limits.RULE_DELAY_S)
        await it.one.look()
        slot = slot_at(rules, it.clock.wall_ns())
        assert [grid.start_ns for _, grid in it.answers.asked] == [slot - 15 * S, slot]

    run(play)


def test_it_is_evaluated_as_soon_as_that_can_be_asked_for() -> None:
    async def play(it: Play) -> None:
        behind = Store()
        it.settled = behind.settled
        await it.restart(group(alerting()))
        looking = asyncio.create_task(it.one.look())
        await behind.begun.wait()
        assert it.answers.asked == []
        behind.released.set()
        await looking
        assert len(it.answers.asked) == 1
        assert it.metrics.get("tailrace_rule_unsettled_total") == 0

    run(play)


def test_a_store_that_is_behind_delays_a_slot_and_does_not_stop_it() -> None:
    async def play(it: Play) -> None:
        behind = Store(catches_up=False)
        behind.released.set()
        it.settled = behind.settled
        await it.restart(group(alerting()))
        await it.slots(1)
        assert it.phases() == ["firing"]
        assert behind.asked == [limits.RULE_SETTLE_S]
        assert it.metrics.get("tailrace_rule_unsettled_total") == 1

    run(play)


def test_groups_that_wait_for_the_store_keep_no_other_from_its_turn() -> None:
    async def play(it: Play) -> None:
        behind = Store()
        it.settled = behind.settled
        count = limits.RULE_GROUPS_AT_ONCE + 1
        await it.restart(*(group(alerting(), name=f"g{n}") for n in range(count)))
        looking = asyncio.create_task(it.one.look())
        while len(behind.asked) < count:
            await asyncio.sleep(0)
        behind.released.set()
        await looking
        assert len(it.answers.asked) == count

    run(play)


def test_the_clock_may_be_set_while_a_slot_waits() -> None:
    async def play(it: Play) -> None:
        rules = group(alerting(for_s=30))
        await it.restart(rules)
        await it.slots(2)
        behind = Store()
        it.one._settled = behind.settled
        it.clock.advance(15)
        looking = asyncio.create_task(it.one.look())
        await behind.begun.wait()
        it.clock.jump_wall(3_600)
        it.one._look_at_the_clock()
        behind.released.set()
        await looking
        [alert] = it.store.kept.alerts.values()
        assert (alert.phase, alert.fired_ns - alert.active_ns) == (Phase.FIRING, 30 * S)
        assert it.metrics.get("tailrace_rule_missed_total") == 0

    run(play)
