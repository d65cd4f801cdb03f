"""Late rows over a store: which they are, and what rules say with them."""

from __future__ import annotations

import asyncio
from typing import Any

from tailrace.alerts.evaluation.evaluator import Evaluator, at_once
from tailrace.alerts.evaluation.expression import Expressions
from tailrace.alerts.late.again import Again
from tailrace.alerts.rule import Group, Rule, rule_id
from tailrace.core import limits
from tailrace.core.clock import ManualClock
from tailrace.core.frame import Signal
from tailrace.core.metrics import Metrics
from tailrace.core.sample import Sample
from tailrace.query.late import BUCKET_NS, Late, LateRows
from tailrace.query.service import QueryService

from ..alerts.evaluation.answers import describe
from ..alerts.store import MemoryAlerts
from .conftest import BASE_S, ROW, SECOND

NOW = BASE_S * SECOND


def row(at_s: float, taken_s: float, **more: Any) -> dict[str, Any]:
    """At seconds after BASE_S."""
    return ROW | {
        "ns": NOW + int(at_s * SECOND), "ingest": NOW + int(taken_s * SECOND), **more
    }  # fmt: skip


def late(engine: Any, signal: Signal, tenant: str, since_s: float, until_s: float) -> list[Late]:
    taken = (NOW + int(since_s * SECOND), NOW + int(until_s * SECOND))
    return asyncio.run(
        LateRows(QueryService(engine)).of(signal, tenant, taken, NOW - 3_600 * SECOND)
    )


def test_rows_are_late_that_came_long_after_their_time(engine: Any) -> None:
    tenant = engine.tenant()
    engine.load(
        tenant,
        [
            row(-60, 1, service="web"),
            row(-61, 2, service="web"),
            row(-limits.RULE_LATE_S, 0, service="pay"),
            row(-limits.RULE_LATE_S + 0.001, 0, service="intime"),
            row(-60, 10, service="after"),
            row(-60, -1, service="before"),
            row(-4_000, 5, service="old"),
        ],
    )
    engine.load(engine.tenant(), [row(-60, 1, service="other tenant")])
    bucket = (NOW - 60 * SECOND) // BUCKET_NS * BUCKET_NS
    before = (NOW - 61 * SECOND) // BUCKET_NS * BUCKET_NS
    pay = (NOW - int(limits.RULE_LATE_S) * SECOND) // BUCKET_NS * BUCKET_NS
    assert late(engine, Signal.LOGS, tenant, 0, 10) == [
        Late("pay", pay), *(Late("web", one) for one in sorted({before, bucket}))
    ]  # fmt: skip


def test_samples_are_late_by_metric(engine: Any) -> None:
    tenant = engine.tenant()
    engine.load_exemplars(
        tenant,
        [
            Sample(time=NOW + at_s * SECOND, name=name, value=1.0)
            for name, at_s in (("http.requests", -60), ("http.requests", -1), ("up", -2))
        ],
    )
    [found] = late(engine, Signal.METRICS, tenant, -1, 1)
    assert found == Late("http.requests", (NOW - 60 * SECOND) // BUCKET_NS * BUCKET_NS)
    assert late(engine, Signal.SPANS, tenant, -1, 1) == []


def test_what_rules_would_have_said_with_late_rows(engine: Any) -> None:
    tenant = engine.tenant()
    rule = Rule('sum(count_over_time({service_name="pay"}[1m])) > 0', "logql", alert="Pay")
    rules = Group(tenant, "f", "g", (rule,), 15 * SECOND)

    async def play() -> None:
        clock, metrics = ManualClock(NOW), Metrics()
        queries = QueryService(engine, clock=clock)
        again = Again(
            LateRows(queries), Expressions(queries), lambda: one.stands(), at_once, clock, metrics,
            lambda _: asyncio.sleep(0),
        )  # fmt: skip
        one = Evaluator(
            MemoryAlerts(), Expressions(queries), describe, _Nobody(), lambda _: None, clock,
            metrics, delay_s=0.0, watcher=again,
        )  # fmt: skip
        await one.open([rules])
        for _ in range(20):
            await one.look()
            clock.advance(15)
        engine.load(tenant, [row(100.5, 300, service="pay"), row(290, 300, service="web")])
        again.arrivals.changed(tenant, Signal.LOGS, NOW + 100 * SECOND)
        clock.advance(limits.RULE_LATE_LOOK_S)
        await again.look()
        clock.advance(limits.RULE_LATE_QUIET_S)
        await again.look()
        report = again.report(tenant, rule_id(rules, 0))
        assert report is not None
        assert report.error == ""
        # Four slots are within a minute after the row.
        assert (report.difference.held, report.difference.left) == (4, 0)
        assert report.difference.missed == ((),)
        assert NOW + 85 * SECOND < report.first_ns <= NOW + 115 * SECOND

    asyncio.run(play())


class _Nobody:
    async def record(self, *_: Any) -> None:
        raise AssertionError
