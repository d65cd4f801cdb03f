"""What happens while a group is being evaluated: other rules are loaded, the clock is set, alerts
are let go."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from tests.alerts.evaluation.answers import Answers, alerting, group, when
from tests.alerts.evaluation.test_evaluator import Play

from tailrace.alerts.evaluation.slots import slot_at
from tailrace.alerts.rule import Rule
from tailrace.core.alerting import Alert, Evaluated, Phase
from tailrace.query.matrix.matrix import Matrix
from tailrace.query.plan import Grid

S = 1_000_000_000


class Waiting(Answers):
    """Of the expressions in `held` no answer comes until it is `free`."""

    def __init__(self, answers: Answers) -> None:
        super().__init__(answers.answers)
        self.held: set[str] = set()
        self.asking = asyncio.Event()
        self.free = asyncio.Event()

    async def value(self, rule: Rule, tenant: str, grid: Grid) -> Matrix:
        if rule.expr in self.held:
            self.asking.set()
            await self.free.wait()
        return await super().value(rule, tenant, grid)


def run(play: Callable[[Play, Waiting], Awaitable[None]]) -> None:
    async def whole() -> None:
        it = Play()
        it.answers = answers = Waiting(it.answers)
        it.one = it.evaluator()
        await play(it, answers)

    asyncio.run(whole())


async def in_flight(it: Play, answers: Waiting) -> asyncio.Task[None]:
    """A turn that waits for its answer, at the next slot."""
    answers.held = {"up == 0"}
    it.clock.advance(15)
    turn = asyncio.create_task(it.one.look())
    await answers.asking.wait()
    return turn


async def over(turn: asyncio.Task[None], answers: Waiting) -> None:
    answers.held = set()
    answers.free.set()
    await turn


def test_a_turn_goes_on_where_other_groups_are_loaded() -> None:
    async def play(it: Play, answers: Waiting) -> None:
        rules = group(alerting(for_s=15))
        await it.one.open([rules])
        await it.slots(1)
        turn = await in_flight(it, answers)
        await it.one.load([rules, group(alerting("other"), name="other")])
        await over(turn, answers)
        assert [one.phase for one in it.told] == [Phase.FIRING]
        [stands, _] = it.one.stands()
        assert stands.standing[0].slot_ns == slot_at(rules, it.clock.wall_ns())

    run(play)


def test_of_a_group_that_is_another_one_meanwhile_nothing_is_lost_and_nothing_is_told_twice() -> (
    None
):
    async def play(it: Play, answers: Waiting) -> None:
        answers.answers["other"] = when(lambda _: False)
        await it.one.open([group(alerting(for_s=15))])
        await it.slots(1)
        [pending] = it.store.kept.alerts.values()
        turn = await in_flight(it, answers)
        await it.one.load([group(alerting(for_s=15), alerting("other", name="Other"))])
        await over(turn, answers)
        await it.slots(1)
        [alert] = it.told
        assert (alert.phase, alert.active_ns) == (Phase.FIRING, pending.active_ns)
        assert alert.fired_ns - alert.active_ns == 15 * S
        [stands] = it.one.stands()
        assert stands.standing[0].alerts == {alert.labels: alert}

    run(play)


def test_rules_that_are_loaded_while_a_turn_is_kept_go_on_from_what_was_kept() -> None:
    async def play(it: Play, _answers: Waiting) -> None:
        keeping, kept = asyncio.Event(), asyncio.Event()
        plain = it.store.evaluated

        async def slow(last: list[Evaluated], changed: list[Alert], gone: list[Alert]) -> None:
            await plain(last, changed, gone)
            keeping.set()
            await kept.wait()

        await it.one.open([group(alerting())])
        it.store.evaluated = slow  # type: ignore[method-assign, assignment]
        it.clock.advance(15)
        turn = asyncio.create_task(it.one.look())
        await keeping.wait()
        loading = asyncio.create_task(it.one.load([group(alerting(), limit=5)]))
        kept.set()
        await asyncio.gather(turn, loading)
        [stands] = it.one.stands()
        assert list(stands.standing[0].alerts.values()) == it.told

    run(play)


def test_a_rule_that_is_back_knows_of_an_end_that_was_not_told() -> None:
    async def play(it: Play, _answers: Waiting) -> None:
        begins = it.clock.wall_ns() // S
        rules = group(alerting(for_s=15))
        await it.one.open([rules])
        await it.slots(2)
        await it.one.load([])
        ended = it.told[-1]
        it.answers.answers["up == 0"] = when(lambda second: second <= begins + 45)
        await it.one.load([rules])
        await it.slots(1)
        assert it.phases() == ["pending"]
        await it.slots(1)
        [left] = it.store.kept.alerts.values()
        assert (left.phase, left.fired_ns, left.ended_ns) == (
            Phase.RESOLVED, ended.fired_ns, ended.ended_ns,
        )  # fmt: skip

    run(play)


@pytest.mark.parametrize("by_s", [3_600, -3_600])
def test_a_clock_that_is_set_during_a_turn_changes_no_duration(by_s: int) -> None:
    async def play(it: Play, answers: Waiting) -> None:
        await it.one.open([group(alerting(for_s=60))])
        await it.slots(3)
        turn = await in_flight(it, answers)
        it.clock.jump_wall(by_s)
        it.one._look_at_the_clock()
        await over(turn, answers)
        assert it.phases() == ["pending"]
        await it.slots(1)
        [alert] = it.told
        assert alert.fired_ns - alert.active_ns == 60 * S
        assert abs(alert.fired_ns - it.clock.wall_ns()) <= 15 * S
        assert max(grid.steps for _, grid in answers.asked) == 1

    run(play)


def test_times_that_were_moved_with_the_clock_outlive_a_restart() -> None:
    async def play(it: Play, _answers: Waiting) -> None:
        rules = group(alerting(for_s=60))
        await it.one.open([rules])
        await it.slots(1)
        it.clock.jump_wall(3_600)
        await it.slots(1)
        await it.restart(rules)
        await it.slots(2)
        assert it.phases() == ["pending"]
        await it.slots(1)
        assert it.phases() == ["firing"]

    run(play)


def test_what_was_told_before_the_clock_was_set_is_let_go() -> None:
    async def play(it: Play, _answers: Waiting) -> None:
        resolved = await ended(it)
        it.clock.jump_wall(3_600)
        await it.slots(1)
        it.one.told([resolved])
        assert it.one.stands()[0].standing[0].alerts == {}

    run(play)


def test_what_is_let_go_during_a_turn_does_not_come_back_with_it() -> None:
    async def play(it: Play, answers: Waiting) -> None:
        resolved = await ended(it)
        turn = await in_flight(it, answers)
        it.one.told([resolved])
        await over(turn, answers)
        assert it.one.stands()[0].standing[0].alerts == {}

    run(play)


def test_what_is_back_with_the_turn_during_which_it_is_let_go_stays() -> None:
    async def play(it: Play, answers: Waiting) -> None:
        resolved = await ended(it)
        turn = await in_flight(it, answers)
        answers.answers["up == 0"] = when(lambda _: True)
        it.one.told([resolved])
        await over(turn, answers)
        [alert] = it.one.stands()[0].standing[0].alerts.values()
        assert alert.phase is Phase.FIRING

    run(play)


async def ended(it: Play) -> Alert:
    """An alert that fired and is resolved."""
    begins = it.clock.wall_ns() // S
    it.answers.answers["up == 0"] = when(lambda second: second <= begins + 15)
    await it.one.open([group(alerting())])
    await it.slots(2)
    resolved = it.told[-1]
    assert resolved.phase is Phase.RESOLVED
    return resolved
