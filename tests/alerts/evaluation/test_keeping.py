"""A rule that gives more than can be kept: it fails and says why, and the others are kept."""

from __future__ import annotations

import pytest
from tests.alerts.evaluation.answers import S, alerting, group, when
from tests.alerts.evaluation.test_evaluator import Play, run

from tailrace.alerts.rule import Rule
from tailrace.core import limits
from tailrace.core.alerting import Labels, Phase
from tailrace.core.errors import StoreError


def errors(it: Play) -> list[str]:
    [stands] = it.one.stands()
    return [said.error for said in stands.last]


def hosts(count: int) -> dict[Labels, float]:
    return {(("host", f"{n}"),): 1.0 for n in range(count)}


def names(it: Play) -> list[str]:
    return sorted({dict(one.labels)["alertname"] for one in it.store.kept.alerts.values()})


def test_an_alert_that_says_too_much_fails_its_rule_and_no_other() -> None:
    async def play(it: Play) -> None:
        long = (("said", "x" * (limits.ALERT_ANNOTATIONS_CHARS + 1)),)
        wordy = Rule("up == 0", "promql", alert="Wordy", annotations=long)
        await it.one.open([group(wordy, alerting())])
        await it.slots(1)
        assert [one.labels[0] for one in it.told] == [("alertname", "Down")]
        [said, fine] = errors(it)
        assert f"more than {limits.ALERT_ANNOTATIONS_CHARS}" in said
        assert fine == ""
        assert it.metrics.labelled("tailrace_rule_failures_total") == {"expression": 1}

    run(play)


def test_a_rule_with_more_alerts_than_a_tenant_may_have_fails_and_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "ALERTS_PER_TENANT", 4)

    async def play(it: Play) -> None:
        it.answers.answers["many"] = lambda _: hosts(4)
        it.answers.answers["old"] = when(lambda _: True)
        rules = group(alerting("many", name="Many"), alerting("old", name="Old"), alerting())
        await it.one.open([rules])
        await it.slots(1)
        assert names(it) == ["Down", "Old"]
        [said, *others] = errors(it)
        assert "more than 4" in said
        assert others == ["", ""]
        assert it.metrics.labelled("tailrace_rule_failures_total") == {"store": 1}

    run(play)


def test_rules_whose_alerts_end_are_kept_beside_one_that_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "ALERTS_PER_TENANT", 2)

    async def play(it: Play) -> None:
        begins = it.clock.wall_ns() // S
        it.answers.answers["up == 0"] = when(lambda second: second <= begins + 15)
        it.answers.answers["many"] = lambda second: hosts(3) if second > begins + 15 else {}
        await it.one.open([group(alerting("many", name="Many"), alerting())])
        await it.slots(2)
        assert [one.phase for one in it.told] == [Phase.FIRING, Phase.RESOLVED]
        assert errors(it)[0] != ""

    run(play)


def test_a_store_that_is_away_is_no_fault_of_a_rule() -> None:
    async def play(it: Play) -> None:
        await it.one.open([group(alerting())])
        await it.slots(1)
        it.store.failure = StoreError("disk")
        await it.slots(1)
        assert it.metrics.labelled("tailrace_rule_failures_total") == {"store": 1}
        it.store.failure = None
        await it.slots(1)
        assert errors(it) == [""]

    run(play)


def test_rules_that_are_refused_are_kept_when_there_is_room_with_all_their_slots(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "ALERTS_PER_TENANT", 1)

    async def play(it: Play) -> None:
        begins = it.clock.wall_ns() // S
        it.answers.answers["up == 0"] = lambda second: hosts(2) if second > begins + 15 else {}
        await it.one.open([group(alerting(for_s=15))])
        await it.slots(3)
        assert not it.store.kept.alerts
        monkeypatch.setattr(limits, "ALERTS_PER_TENANT", 2)
        await it.slots(1)
        assert {one.phase for one in it.told} == {Phase.FIRING}
        assert max(one.fired_ns for one in it.told) // S <= begins + 45

    run(play)
