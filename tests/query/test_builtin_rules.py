"""The built-in rules over a store: each fires for what it is about, and else is quiet.

They stand here since the engine does, of which a process has one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from tailrace.alerts.builtin.groups import builtin
from tailrace.alerts.builtin.names import OF_TENANTS, OF_THE_SERVER
from tailrace.alerts.evaluation.evaluator import Evaluator
from tailrace.alerts.evaluation.expression import Expressions
from tailrace.alerts.evaluation.slots import slot_at
from tailrace.alerts.rule import Group
from tailrace.alerts.templating import template
from tailrace.alerts.templating.annotator import Outside
from tailrace.alerts.templating.descriptions import Descriptions
from tailrace.core.alerting import Alert, Phase
from tailrace.core.clock import ManualClock
from tailrace.core.metrics import Metrics
from tailrace.query.plan import Grid
from tailrace.query.service import QueryService

from ..alerts.store import MemoryAlerts
from .conftest import BASE_S, SECOND, Points

MIB = 2**20
MINUTES = 75
EVERY_S = 15
Values = dict[tuple[str, str], Any]
# What an ordinary server says of itself, by name and kind: a number, or one for each second.
ORDINARY: Values = {
    ("tailrace_agents", "running"): 3,
    ("tailrace_agents", "silent"): 0,
    ("tailrace_agents_clock_skew_seconds", ""): 0.2,
    # An archive that takes what there is every ten minutes.
    ("tailrace_queue_bytes", ""): lambda s: (s % 600) * MIB,
    ("tailrace_queue_max_bytes", ""): 10_000 * MIB,
    ("tailrace_dead_letters_total", "frame"): 2,
    # Half of what there may be.
    ("tailrace_dead_letter_bytes", ""): 128 * MIB,
    ("tailrace_dead_letter_max_bytes", ""): 256 * MIB,
    ("tailrace_rule_failures_total", "expression"): 7,
    ("tailrace_rule_clock_jumps_total", ""): 0,
    ("tailrace_rule_late_changes_total", "missed"): 0,
    # What differs and made nobody wake up.
    ("tailrace_rule_late_changes_total", "held"): lambda s: s // 15,
    # A receiver that is down for some minutes now and then.
    ("tailrace_notices_age_seconds", ""): lambda s: s % 600,
    ("tailrace_notices_total", "given_up"): 1,
    # A record that came a little late.
    ("tailrace_ledger_gap_frames", ""): lambda s: 3 * (s % 600 < 240),
    ("tailrace_sampling_wrong_services", ""): 0,
    ("tailrace_archive_damaged_files", ""): 0,
    ("tailrace_alerts_late", "slow"): 0,
    ("tailrace_alerts_late", "silent"): 0,
    ("tailrace_space_bytes", "data"): 1000 * 1024 * MIB,
    # A large disk that is nearly empty, and is said to be full soon: after a first import.
    ("tailrace_space_free_bytes", "data"): lambda s: 900 * 1024 * MIB - s * MIB,
    ("tailrace_space_full_seconds", "data"): 20 * 3600,
    ("tailrace_space_level", "data"): 0,
    ("tailrace_space_bytes", "archive"): 1000 * 1024 * MIB,
    ("tailrace_space_free_bytes", "archive"): 400 * 1024 * MIB,
    ("tailrace_space_full_seconds", "archive"): 25 * 3600,
    ("tailrace_space_level", "archive"): 0,
}
WRONG: dict[str, Values] = {
    "AgentSilent": {("tailrace_agents", "silent"): 1},
    "QueueGrowing": {("tailrace_queue_bytes", ""): lambda s: 2000 * MIB + s * MIB},
    "DeadLetters": {("tailrace_dead_letters_total", "frame"): lambda s: int(s > 4000)},
    "DeadLettersFull": {("tailrace_dead_letter_bytes", ""): 200 * MIB},
    "RuleFailing": {("tailrace_rule_failures_total", "expression"): lambda s: s // 15},
    "ClockSkew": {("tailrace_agents_clock_skew_seconds", ""): 45},
    "DiskForecast": {
        ("tailrace_space_full_seconds", "archive"): lambda s: max(0, 6 * 3600 - s),
    },
    "SpaceLow": {("tailrace_space_level", "data"): lambda s: 2 * int(s > 4000)},
    # Where all has to wait for long, what is said of it may not be stored either.
    "SpaceFull": {("tailrace_space_level", "archive"): lambda s: 4 * int(s > 3000)},
    "NotificationsFailing": {("tailrace_notices_total", "given_up"): lambda s: 1 + int(s > 4000)},
    "LateRows": {("tailrace_rule_late_changes_total", "missed"): lambda s: int(s > 4000)},
    "SampleWrong": {("tailrace_sampling_wrong_services", ""): lambda s: 3 * int(s > 4000)},
    "LedgerGap": {("tailrace_ledger_gap_frames", ""): lambda s: 2 * int(s > 3900)},
    "ArchiveDamaged": {("tailrace_archive_damaged_files", ""): lambda s: int(s > 4000)},
    "LedgerUnexplained": {("tailrace_ledger_unexplained_rows", ""): lambda s: 7 * int(s > 3900)},
    "AlertsLate": {("tailrace_alerts_late", "silent"): lambda s: int(s > 4000)},
}


def series(values: Values) -> list[Points]:
    times = range(0, MINUTES * 60, EVERY_S)
    whose = {"job": "tailrace", "instance": "a"}
    return [
        (name, whose | ({"kind": kind} if kind else {}), [
            (at, value(at) if callable(value) else value) for at in times
        ])
        for (name, kind), value in values.items()
    ]  # fmt: skip


class _Nobody:
    async def record(self, *_: Any) -> None:
        raise AssertionError


def fired(engine: Any, groups: Sequence[Group], minutes: int) -> dict[str, Alert]:
    """What fires when the groups were evaluated for so long, up to the end of what is stored."""

    async def evaluate() -> dict[str, Alert]:
        end_s = BASE_S + MINUTES * 60 - EVERY_S
        clock = ManualClock((end_s - minutes * 60) * SECOND)
        ask = Expressions(QueryService(engine, clock=clock))
        store, metrics = MemoryAlerts(), Metrics()
        describe = Descriptions(Outside({}, ""), ask, metrics)
        one = Evaluator(
            store, ask, describe, _Nobody(), lambda _: None, clock, metrics, delay_s=0.0
        )
        await one.open(groups)
        await one.look()
        clock.advance(minutes * 60)
        await one.look()
        assert [said.error for said in store.kept.evaluations.values() if said.error] == []
        assert metrics.get("tailrace_rule_failures_total", "template") == 0
        found = store.kept.alerts.values()
        return {dict(a.labels)["alertname"]: a for a in found if a.phase is Phase.FIRING}

    return asyncio.run(evaluate())


def of_server(engine: Any, values: Values, minutes: int) -> dict[str, Alert]:
    tenant = engine.tenant()
    engine.load_samples(tenant, series(values))
    return fired(engine, builtin(tenant, [], check_template=template.check), minutes)


def test_names_are_those_of_the_rules() -> None:
    groups = builtin("s", ["t"])
    named = {g.tenant: tuple(rule.alert for rule in g.rules) for g in groups}
    assert named == {"s": OF_THE_SERVER, "t": OF_TENANTS}
    assert {g.origin for g in groups} == {"built in"}


def test_those_that_are_turned_off_are_left_out() -> None:
    groups = builtin("s", ["t"], ["AgentSilent", "ErrorRateJump"])
    assert [rule.alert for g in groups for rule in g.rules] == list(OF_THE_SERVER[1:])


def test_an_ordinary_server_is_quiet(engine: Any) -> None:
    assert of_server(engine, ORDINARY, 32) == {}


@pytest.mark.parametrize("name", OF_THE_SERVER)
def test_each_fires_for_what_it_is_about_and_no_other(engine: Any, name: str) -> None:
    minutes = 32 if name == "DiskForecast" else 12
    assert list(of_server(engine, ORDINARY | WRONG[name], minutes)) == [name]


def test_a_receiver_that_takes_nothing_is_an_alert_before_anything_is_given_up(
    engine: Any,
) -> None:
    waits: Values = {("tailrace_notices_age_seconds", ""): lambda s: max(0, s - 3_600)}
    assert list(of_server(engine, ORDINARY | waits, 12)) == ["NotificationsFailing"]


def errors(engine: Any, tenant: str, service: str, seconds: Sequence[int]) -> None:
    engine.load(
        tenant,
        [
            {"ns": (BASE_S + second) * SECOND, "service": service, "severity": 17, "seq": n}
            for n, second in enumerate(seconds)
        ],
    )


def test_a_jump_of_a_services_errors_fires_for_that_service(engine: Any) -> None:
    tenant = engine.tenant()
    end_s = MINUTES * 60
    errors(engine, tenant, "steady", range(0, end_s, 5))
    errors(engine, tenant, "few", range(end_s - 200, end_s, 10))
    errors(engine, tenant, "jumps", [*range(0, end_s, 30), *range(end_s - 280, end_s)])
    errors(engine, tenant, "new", range(end_s - 280, end_s))
    groups = builtin("none", [tenant], OF_THE_SERVER, check_template=template.check)
    assert fired(engine, groups, 4)
    ask = Expressions(QueryService(engine))
    [rule] = [rule for g in groups for rule in g.rules]
    slot_ns = slot_at(groups[-1], (BASE_S + end_s) * SECOND)
    found = asyncio.run(ask.value(rule, tenant, Grid(slot_ns, 60 * SECOND, 1)))
    assert sorted(dict(labels)["service_name"] for labels in found.labels) == ["jumps", "new"]
