"""One turn of a rule."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.alerts.evaluation.answers import Answers, alerting, describe, group, when

from tailrace.alerts.evaluation.state import Held, Owner
from tailrace.alerts.evaluation.turn import Seen, Standing, evaluated, grid_of, took_too_long
from tailrace.alerts.rule import Group, Rule
from tailrace.core import limits
from tailrace.core.alerting import Labels, Phase
from tailrace.core.errors import QueryError
from tailrace.query.matrix.matrix import Matrix
from tailrace.query.plan import Grid

S = 1_000_000_000
NOW = 1_800_000_000 * S
NEVER = Standing({})


def turn(one: Group, answers: Answers, standing: Standing = NEVER, slot_ns: int = NOW) -> Standing:
    owner = Owner("shop", "r1", one.rules[0])
    after, _ = asyncio.run(evaluated(owner, one, standing, slot_ns, answers, describe))
    return after


def test_the_first_turn_is_of_one_slot() -> None:
    answers = Answers({"up == 0": when(lambda _: True)})
    assert turn(group(alerting()), answers).slot_ns == NOW
    [(_, grid)] = answers.asked
    assert (grid.start_ns, grid.steps) == (NOW, 1)


def test_slots_that_were_missed_are_evaluated_in_one_question() -> None:
    answers = Answers({"up == 0": when(lambda _: True)})
    after = turn(group(alerting(for_s=60)), answers, Standing({}, NOW - 90 * S))
    [(_, grid)] = answers.asked
    assert (grid.start_ns, grid.step_ns, grid.steps) == (NOW - 75 * S, 15 * S, 6)
    [alert] = after.alerts.values()
    assert (alert.active_ns, alert.fired_ns) == (NOW - 75 * S, NOW - 15 * S)


def test_slots_that_were_not_told_of_are_left_for_the_next_turn() -> None:
    answers = Answers({"up == 0": when(lambda _: True)}, steps=2)
    one = group(alerting(for_s=60))
    first = turn(one, answers, Standing({}, NOW - 90 * S))
    assert (first.slot_ns, first.missed) == (NOW - 60 * S, 0)
    second = turn(one, answers, first)
    assert answers.asked[1][1].start_ns == NOW - 45 * S
    [alert] = turn(one, answers, second).alerts.values()
    assert (alert.active_ns, alert.fired_ns) == (NOW - 75 * S, NOW - 15 * S)


class Slow(Answers):
    """Takes too long where it is asked for more than so many slots."""

    def __init__(self, most: int) -> None:
        super().__init__({"up == 0": when(lambda _: False)})
        self.most = most

    async def value(self, rule: Rule, tenant: str, grid: Grid) -> Matrix:
        if grid.steps > self.most:
            raise TimeoutError
        return await super().value(rule, tenant, grid)


@given(owed=st.integers(1, 180), most=st.integers(1, 300))
def test_slots_that_are_too_many_at_once_are_asked_for_in_parts(owed: int, most: int) -> None:
    """Turn after turn, each an interval after the one before."""
    answers, one = Slow(most), group(alerting())
    begun = NOW - owed * 15 * S
    standing, now, turns = Standing({}, begun), NOW, 0
    while standing.slot_ns < now or not turns:
        now, turns = NOW + turns * 15 * S, turns + 1
        try:
            standing = turn(one, answers, standing, now)
        except TimeoutError:
            standing = took_too_long(one, standing, now)
        assert turns < 200
    asked = [g.start_ns + n * 15 * S for _, g in answers.asked for n in range(g.steps)]
    assert asked == sorted(set(asked))
    slots = (now - begun) // (15 * S)
    assert len(asked) + standing.missed == slots
    assert standing.at_once == 0
    # Nothing is given up where so many are answered that the present is reached by them.
    assert standing.missed == 0 or most < 2 * limits.RULE_CATCH_UP_LEAST


def test_what_held_and_ended_in_missed_slots_is_not_missed() -> None:
    answers = Answers({"up == 0": when(lambda second: second < NOW // S - 30)})
    after = turn(group(alerting()), answers, Standing({}, NOW - 90 * S))
    [alert] = after.alerts.values()
    assert (alert.phase, alert.fired_ns, alert.ended_ns) == (
        Phase.RESOLVED, NOW - 75 * S, NOW - 30 * S,
    )  # fmt: skip
    assert alert.missed_ns == NOW - 75 * S


def test_what_fired_before_and_ended_in_missed_slots_may_have_been_heard_of() -> None:
    answers = Answers({"up == 0": when(lambda second: second < NOW // S - 30)})
    before = turn(group(alerting()), answers, slot_ns=NOW - 90 * S)
    [alert] = turn(group(alerting()), answers, before).alerts.values()
    assert (alert.phase, alert.missed_ns) == (Phase.RESOLVED, 0)


@pytest.mark.parametrize(("for_s", "phase"), [(60, Phase.PENDING), (0, Phase.FIRING)])
def test_what_fired_in_missed_slots_did_so_whatever_comes_next(for_s: int, phase: Phase) -> None:
    held = {NOW // S - 75, NOW // S}
    answers = Answers({"up == 0": when(lambda second: second in held)})
    now = turn(group(alerting()), answers, Standing({}, NOW - 90 * S), NOW - 15 * S)
    [alert] = turn(group(alerting(for_s=for_s)), answers, now).alerts.values()
    assert (alert.phase, alert.missed_ns) == (phase, NOW - 75 * S)


@pytest.mark.parametrize(("since", "missed"), [(75, True), (15, True), (0, False)])
def test_what_fires_since_a_missed_slot_was_missed(since: int, missed: bool) -> None:
    """In the last slot it is as in any that is evaluated in time."""
    answers = Answers({"up == 0": when(lambda second: second >= NOW // S - since)})
    [alert] = turn(group(alerting()), answers, Standing({}, NOW - 90 * S)).alerts.values()
    assert (alert.phase, alert.fired_ns) == (Phase.FIRING, NOW - since * S)
    assert alert.missed_ns == (alert.fired_ns if missed else 0)


def wrong_until(second: int) -> Answers:
    def answer(at: int) -> Mapping[Labels, float]:
        if at <= second:
            raise QueryError("two rows have the same labels")
        return {(("host", "a"),): 1.0}

    return Answers({"up == 0": answer})


def test_a_slot_that_cannot_be_answered_holds_up_the_later_ones_no_longer_than_itself() -> None:
    standing = Standing({}, NOW - 45 * S)
    after = turn(group(alerting()), wrong_until(NOW // S - 30), standing)
    assert (after.slot_ns, after.missed) == (NOW, 2)
    [alert] = after.alerts.values()
    assert alert.fired_ns == NOW


def test_a_rule_whose_last_slot_cannot_be_answered_stays_as_it_was() -> None:
    with pytest.raises(QueryError, match="the same labels"):
        turn(group(alerting()), wrong_until(NOW // S), Standing({}, NOW - 45 * S))


def test_slots_that_are_too_old_are_counted_and_not_evaluated() -> None:
    after = turn(
        group(alerting()),
        Answers({"up == 0": when(lambda _: False)}),
        Standing({}, NOW - 7_200 * S),
    )
    assert after.missed == (7_200 - limits.RULE_CATCH_UP_S) // 15


@pytest.mark.parametrize(("interval_s", "steps"), [(1, 720), (60, 60), (86_400, 1)])
def test_no_more_slots_than_a_turn_may_have(interval_s: int, steps: int) -> None:
    one = group(alerting(), interval_s=interval_s)
    grid, missed = grid_of(one, Standing({}, NOW - 3_600_000 * interval_s * S), NOW)
    assert (grid.steps, missed) == (steps, 3_600_000 - steps)
    assert grid.last_ns == NOW


def test_a_rule_looks_back_by_its_offset() -> None:
    answers = Answers({"up == 0": when(lambda _: False)})
    turn(group(Rule("up == 0", "promql", alert="Down", offset_ns=5 * S)), answers)
    assert [grid.start_ns for _, grid in answers.asked] == [NOW - 5 * S]


def many(count: int) -> Answers:
    return Answers({"up == 0": lambda _: {(("n", f"{n}"),): 1.0 for n in range(count)}})


def test_a_rule_gives_as_many_series_as_it_may() -> None:
    assert len(turn(group(alerting()), many(limits.RULE_SERIES)).alerts) == limits.RULE_SERIES
    with pytest.raises(QueryError, match=r"10001 series, more than 10000 \(RULE_SERIES\)"):
        turn(group(alerting()), many(limits.RULE_SERIES + 1))
    with pytest.raises(QueryError, match=r"4 series, more than 3 \(the limit of its group\)"):
        turn(group(alerting(), limit=3), many(4))


def test_two_series_that_become_one_alert_are_an_error() -> None:
    rule = Rule("up == 0", "promql", alert="Down", labels=(("n", "same"),))
    with pytest.raises(QueryError, match="two series become one alert"):
        turn(group(rule), many(2))


def test_annotations_are_wanted_at_the_last_slot_of_a_turn_that_has_a_series() -> None:
    wanted: list[tuple[int, bool]] = []

    async def noting(owner: Owner, one: Group, slot_ns: int, found: Sequence[Seen]) -> list[Held]:
        wanted.extend((slot_ns, one.last) for one in found)
        return await describe(owner, one, slot_ns, found)

    one = group(alerting())
    owner = Owner("shop", "r1", one.rules[0])
    answers = Answers({"up == 0": when(lambda second: second < NOW // S)})
    asyncio.run(evaluated(owner, one, Standing({}, NOW - 45 * S), NOW, answers, noting))
    assert wanted == [(NOW - 30 * S, False), (NOW - 15 * S, True)]
