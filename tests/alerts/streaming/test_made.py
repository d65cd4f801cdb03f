"""Alerts that the server makes itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tests.alerts.store import MemoryAlerts

from tailrace.alerts.evaluation.state import Held
from tailrace.alerts.rule import Group, Rule
from tailrace.alerts.streaming.made import Made
from tailrace.core.alerting import Alert, Evaluated
from tailrace.core.metrics import Metrics

HELD = Held((("alertname", "A"),), (), 1.0)


def group(tenant: str) -> Group:
    return Group(tenant, "f", "g", (Rule("x", "logql", alert="A"),), 10**9)


def made(told: list[Alert]) -> tuple[Made, MemoryAlerts]:
    store = MemoryAlerts()
    return Made(store, group, told.extend, Metrics(), ["t"]), store


async def nothing(_said: Evaluated, _changed: Sequence[Alert]) -> None: ...


def test_an_end_that_was_told_while_a_step_was_kept_is_not_told_again() -> None:
    told: list[Alert] = []
    one, _ = made(told)

    async def lets_go(_said: Evaluated, _changed: Sequence[Alert]) -> None:
        one.told(told[-1:])

    async def play() -> None:
        await one.step("t", 1, [HELD], nothing)
        await one.step("t", 2, [], nothing)
        await one.step("t", 3, [], lets_go)

    asyncio.run(play())
    assert [alert.ended_ns for alert in told] == [0, 2]
    assert one.stands()[0].standing[0].alerts == {}


def test_one_that_holds_again_while_its_end_was_told_stays() -> None:
    told: list[Alert] = []
    one, _ = made(told)

    async def lets_go(_said: Evaluated, _changed: Sequence[Alert]) -> None:
        one.told(told[-1:])

    async def play() -> None:
        await one.step("t", 1, [HELD], nothing)
        await one.step("t", 2, [], nothing)
        await one.step("t", 3, [HELD], lets_go)

    asyncio.run(play())
    assert list(one.firing("t")) == [HELD.labels]


def test_where_a_look_was_is_kept() -> None:
    async def play() -> None:
        one, store = made([])

        async def keep(said: Evaluated, changed: Sequence[Alert]) -> None:
            await store.evaluated([said], changed, [])

        await one.step("t", 7, [HELD], keep, 5)
        again = Made(store, group, lambda _: None, Metrics(), ["t"])
        await again.open()
        assert (again.looked_ns("t"), again.looked_ns("other")) == (5, 0)
        assert list(again.firing("t")) == [HELD.labels]

    asyncio.run(play())
