"""A rule that matches a million series: it fails with a reason, and the others are in time."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from tailrace.alerts.evaluation.evaluator import Evaluator
from tailrace.alerts.evaluation.expression import Expressions
from tailrace.alerts.evaluation.slots import slot_at
from tailrace.alerts.rule import Group, Rule
from tailrace.alerts.templating.annotator import Outside
from tailrace.alerts.templating.descriptions import Descriptions
from tailrace.core.alerting import Alert
from tailrace.core.clock import ManualClock
from tailrace.core.metrics import Metrics
from tailrace.query.service import QueryService
from tailrace.store.samples import parting

from ..alerts.store import MemoryAlerts
from .conftest import BASE_S, SECOND

SERIES = 1_000_000
INTERVAL_S = 15
LINES = Rule(
    'sum by (user) (count_over_time({service_name="many"} | logfmt [1m])) > 0',
    "logql",
    alert="Lines",
)
SAMPLES = Rule("many > 0", "promql", alert="Samples")
SMALL = Rule('count_over_time({service_name="few"}[1m]) > 0', "logql", alert="Small")


def load_lines(engine: Any, tenant: str) -> None:
    """A million lines of one service, of a user each, and one of another service."""
    at_ns = BASE_S * SECOND
    engine.load(tenant, [{"ns": at_ns, "service": name} for name in ("many", "few")])
    engine.client.command(
        "INSERT INTO logs SELECT * EXCEPT number REPLACE(concat('user=', toString(number)) AS Body)"
        f" FROM logs CROSS JOIN (SELECT number FROM numbers({SERIES})) AS n"
        f" WHERE Tenant = '{tenant}' AND ServiceName = 'many'"
    )


def load_samples(engine: Any, tenant: str) -> None:
    """A million series of one name, and a line of a service."""
    engine.load(tenant, [{"ns": BASE_S * SECOND, "service": "few"}])
    known = f"'{tenant}' AS t, 'many' AS n, map('user', toString(number)) AS labels"
    engine.client.command(
        f"INSERT INTO arriving_samples WITH {known} "
        f"SELECT t, n, sipHash64(t, n, labels), toDateTime64({BASE_S}, 3, 'UTC'), 1, now64(9), "
        f"'source', 1, 1, 'gauge', '', labels, [] FROM numbers({SERIES})"
    )
    for step in parting("samples"):
        engine.client.command(step)


class _Nobody:
    async def record(self, *_: Any) -> None:
        raise AssertionError


@pytest.mark.parametrize(
    ("load", "many", "words"),
    [
        (load_lines, LINES, "QUERY_CELLS"),
        # To store so many series takes a while.
        pytest.param(load_samples, SAMPLES, "series match", marks=pytest.mark.soak),
    ],
)
def test_a_rule_of_a_million_series_fails_with_a_reason_and_the_others_are_in_time(
    engine: Any, load: Any, many: Rule, words: str
) -> None:
    tenant = engine.tenant()
    load(engine, tenant)
    group = Group(tenant, "f", "g", (many, SMALL), INTERVAL_S * SECOND)
    clock = ManualClock((BASE_S + INTERVAL_S) * SECOND)
    ask = Expressions(QueryService(engine, clock=clock))
    fired: list[Alert] = []

    async def evaluate() -> tuple[float, list[str]]:
        store, metrics = MemoryAlerts(), Metrics()
        describe = Descriptions(Outside({}, ""), ask, metrics)
        one = Evaluator(store, ask, describe, _Nobody(), fired.extend, clock, metrics, delay_s=0.0)
        await ask.load([group])
        await one.open([group])
        began_s = time.monotonic()
        await one.look()
        [stands] = one.stands()
        assert stands.standing[1].slot_ns == slot_at(group, clock.wall_ns())
        return time.monotonic() - began_s, [said.error for said in stands.last]

    took_s, [reason, fine] = asyncio.run(evaluate())
    assert words in reason
    assert fine == ""
    assert [dict(one.labels)["alertname"] for one in fired] == ["Small"]
    assert took_s < INTERVAL_S
