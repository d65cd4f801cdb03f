"""Findings of the guard as alerts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec
import pytest
from tests.alerts.store import MemoryAlerts

from tailrace.alerts.streaming.guardfindings import GuardFindings
from tailrace.core import limits
from tailrace.core.alerting import Alert, Phase
from tailrace.core.clock import ManualClock
from tailrace.core.errors import StoreError
from tailrace.core.finding import Finding, Place
from tailrace.core.metrics import Metrics

PLACE = Place("shop", "payments", "2.4", "", "pan", "", "billing.py:88", "mask")
SAID = "payments 2.4 logs card numbers at billing.py:88"


class Play:
    def __init__(self, store: MemoryAlerts | None = None) -> None:
        self.store = store or MemoryAlerts()
        self.found: list[tuple[Finding, str]] = []
        self.told: list[Alert] = []
        self.one = GuardFindings(
            self.store, self._findings, self._changed, ManualClock(), Metrics(), ["default"]
        )

    async def _findings(self) -> Sequence[tuple[Finding, str]]:
        return self.found

    def _changed(self, alerts: Sequence[Alert]) -> None:
        self.told += alerts

    def finds(self, hits: int = 3) -> None:
        self.found = [(Finding(PLACE, hits, 1, 2), SAID)]


def run(play: Callable[[Play], Awaitable[None]]) -> None:
    async def whole() -> None:
        it = Play()
        await it.one.open()
        await play(it)

    asyncio.run(whole())


def test_a_finding_fires_for_its_place_with_its_sentence_and_ends_with_it() -> None:
    async def play(it: Play) -> None:
        it.finds()
        await it.one.look()
        [alert] = it.told
        assert (alert.tenant, alert.phase, alert.value) == ("shop", Phase.FIRING, 3.0)
        assert dict(alert.labels) == {
            "alertname": "GuardFinding", "service_name": "payments", "service_version": "2.4",
            "detector": "pan", "code": "billing.py:88", "action": "mask", "severity": "warning",
        }  # fmt: skip
        assert alert.annotations == (("summary", SAID),)
        it.found = []
        await it.one.look()
        assert it.told[-1].phase is Phase.RESOLVED

    run(play)


def test_one_that_is_raised_is_looked_at_at_once() -> None:
    async def play(it: Play) -> None:
        running = asyncio.create_task(it.one.run())
        await asyncio.sleep(0)
        it.finds()
        it.one.raised(*it.found[0])
        async with asyncio.timeout(5):
            while not it.told:
                await asyncio.sleep(0)
        running.cancel()

    run(play)


def test_what_cannot_be_kept_is_not_told_and_found_again() -> None:
    async def play(it: Play) -> None:
        it.finds()
        it.store.failure = StoreError("disk")
        await it.one.look()
        assert it.told == []
        it.store.failure = None
        await it.one.look()
        assert [one.phase for one in it.told] == [Phase.FIRING]

    run(play)


def test_findings_of_a_tenant_that_has_too_many_alerts_hold_up_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "ALERTS_PER_TENANT", 1)

    async def play(it: Play) -> None:
        it.finds()
        other = msgspec.structs.replace(PLACE, tenant="bank")
        its = [msgspec.structs.replace(other, service=name) for name in ("a", "b")]
        it.found += [(Finding(place, 3, 1, 2), SAID) for place in its]
        await it.one.look()
        assert [one.tenant for one in it.told] == ["shop"]
        errors = {one.group.tenant: one.last[0].error for one in it.one.stands()}
        assert "more than 1" in errors["bank"]
        assert (errors["shop"], errors["default"]) == ("", "")

    run(play)


def test_a_restart_tells_nothing_twice() -> None:
    async def play(it: Play) -> None:
        it.finds()
        await it.one.look()
        again = Play(it.store)
        again.finds()
        await again.one.open()
        await again.one.look()
        assert again.told == []

    run(play)


def test_it_is_a_rule_of_tenants_without_findings_too_and_of_nobody_else() -> None:
    async def play(it: Play) -> None:
        assert [one.group.tenant for one in it.one.stands()] == ["default"]
        it.finds()
        await it.one.look()
        by_tenant = {one.group.tenant: one.standing[0].alerts for one in it.one.stands()}
        assert (len(by_tenant["shop"]), len(by_tenant["default"])) == (1, 0)

    run(play)
