"""Series of alerts on their way to the store, through the door that all samples go."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from tests.alerts.evaluation.answers import alerting, group
from tests.gateway.doors import MemorySink

from tailrace.alerts.evaluation.evaluator import Stands
from tailrace.alerts.evaluation.state import Owner
from tailrace.alerts.evaluation.turn import Standing
from tailrace.alerts.rule import Rule
from tailrace.app.alertseries import AlertSeries
from tailrace.core import limits
from tailrace.core.alerting import Alert, Phase
from tailrace.core.clock import ManualClock
from tailrace.core.errors import Busy
from tailrace.core.metrics import Metrics
from tailrace.gateway.door import Door

RULE = alerting()
GROUP = group(RULE)
S = 1_000_000_000


def alert(host: str = "a", phase: Phase = Phase.FIRING, tenant: str = "shop") -> Alert:
    labels = (("alertname", "Down"), ("host", host))
    return Alert(tenant, "r", labels, (), phase, 1.0, 100 * S)


class Bench:
    def __init__(self) -> None:
        self.sink = MemorySink()
        self.clock = ManualClock()
        self.metrics = Metrics()
        self.streams: list[Stands] = []
        self.door = Door(self.sink, self.clock, self.metrics)
        self.series = AlertSeries(
            self.door, lambda: self.streams, self.clock, self.metrics, every_s=15.0
        )
        self.slot = 0

    def evaluated(
        self, *alerts: Alert, before: Sequence[Alert] = (), rule: Rule = RULE, tenant: str = "shop"
    ) -> None:
        self.slot += 15
        self.series.kept(
            GROUP, [Owner(tenant, "r", rule)],
            [standing(before, self.slot - 15)], [standing(alerts, self.slot)],
        )  # fmt: skip

    def stored(self) -> list[tuple[int, str, str, bool]]:
        """Second, name, host and state, and whether it is a marker, of all that is new."""
        self.sink.frames.clear()
        asyncio.run(self.series.store())
        return [shown(msgspec.json.decode(line)) for line in self.sink.data.splitlines()]

    def count(self, how: str) -> float:
        return self.metrics.get("tailrace_alert_samples_total", how)


def standing(alerts: Sequence[Alert], slot_s: int) -> Standing:
    return Standing({one.labels: one for one in alerts}, slot_s * S)


def shown(sample: dict[str, Any]) -> tuple[int, str, str, bool]:
    labels = sample["attributes"]
    state = f"{labels['host']} {labels.get('alertstate', '')}".strip()
    return sample["time"] // S, sample["name"], state, sample.get("stale", False)


@pytest.fixture
def bench() -> Any:
    found = Bench()
    yield found
    found.door.close()


def test_each_evaluation_is_a_sample_and_an_end_a_marker(bench: Bench) -> None:
    bench.evaluated(alert(phase=Phase.PENDING))
    bench.evaluated(alert())
    bench.evaluated()
    bench.evaluated()
    assert sorted(bench.stored()) == [
        (15, "ALERTS", "a pending", False), (15, "ALERTS_FOR_STATE", "a", False),
        (30, "ALERTS", "a firing", False), (30, "ALERTS", "a pending", True),
        (30, "ALERTS_FOR_STATE", "a", False),
        (45, "ALERTS", "a firing", True), (45, "ALERTS_FOR_STATE", "a", True),
    ]  # fmt: skip


def test_rules_of_which_nothing_fires_and_recording_ones_write_nothing(bench: Bench) -> None:
    bench.evaluated()
    bench.evaluated(alert(), rule=Rule("up", "promql", record="x"))
    assert bench.stored() == []
    assert bench.sink.frames == []


def test_an_evaluation_that_failed_ends_nothing(bench: Bench) -> None:
    bench.evaluated(alert())
    assert len(bench.stored()) == 2
    same = standing([alert()], bench.slot)
    bench.series.kept(GROUP, [Owner("shop", "r", RULE)], [same], [replace(same, missed=1)])
    assert bench.stored() == []


def test_what_ended_while_the_server_was_stopped_is_marked_after_its_start(bench: Bench) -> None:
    bench.evaluated(before=[alert()])
    assert sorted(bench.stored()) == [
        (15, "ALERTS", "a firing", True), (15, "ALERTS_FOR_STATE", "a", True),
    ]  # fmt: skip


def test_series_end_with_their_rule(bench: Bench) -> None:
    bench.evaluated(alert())
    bench.stored()
    owner = Owner("shop", "r", RULE)
    here = Stands(GROUP, [owner], [standing([alert()], 15)], [])
    bench.series.retain([here])
    assert bench.stored() == []
    bench.series.retain([])
    assert [stale for *_, stale in bench.stored()] == [True, True]
    bench.series.retain([])
    assert bench.stored() == []


def test_rules_that_have_no_evaluations_are_looked_at(bench: Bench) -> None:
    owner = Owner("shop", "s", RULE)
    bench.streams = [Stands(GROUP, [owner], [standing([alert()], 0)], [])]
    bench.series.look()
    assert [state for _, _, state, _ in bench.stored()] == ["a firing", "a"]
    bench.streams = [Stands(GROUP, [owner], [standing([], 0)], [])]
    bench.series.look()
    assert [stale for *_, stale in bench.stored()] == [True, True]


def test_what_there_is_no_room_for_waits_and_keeps_no_other_tenant(bench: Bench) -> None:
    bench.evaluated(alert())
    bench.sink.failure = Busy("full", 1.0)
    assert bench.stored() == []
    bench.evaluated(alert("b", tenant="bank"), tenant="bank")
    bench.sink.failure = None
    assert {state for _, _, state, _ in bench.stored()} == {"a firing", "a", "b firing", "b"}
    assert {frame.header.tenant for frame in bench.sink.frames} == {"shop", "bank"}
    assert (bench.count("stored"), bench.count("dropped")) == (4, 0)


def test_no_more_samples_wait_than_may(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ALERT_SAMPLES_WAITING", 6)
    bench.sink.failure = Busy("full", 1.0)
    for _ in range(5):
        bench.evaluated(alert())
        assert bench.stored() == []
    assert bench.count("dropped") == 4
    bench.sink.failure = None
    assert len(bench.stored()) == 6
    bench.evaluated(alert())
    assert len(bench.stored()) == 2
