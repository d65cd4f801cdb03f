"""The laws of ErrorPatterns. All there are are held to them, see alertstores.py."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec.structs import replace

from tailrace.core import limits
from tailrace.core.alerting import Evaluated
from tailrace.core.errorpatterns import Remembered, id_of
from tailrace.core.errors import StoreError

from .alertstores import Open, Run, alert, place, run, server

__all__ = ["place", "run", "server"]

SAID = Evaluated("shop", "r", 1)


def seen(n: int, tenant: str = "shop", last_ns: int = 9) -> Remembered:
    return Remembered(tenant, f"{n:04}", "web", 5, last_ns)


def law(run: Run, use: Callable[[Any], Awaitable[None]]) -> None:
    async def whole(opened: Open) -> None:
        await use(await opened())

    run(whole)


def test_what_was_seen_is_remembered_of_its_tenant_alone(run: Run) -> None:
    async def use(store: Any) -> None:
        await store.looked(SAID, [], [seen(1), seen(2), seen(1, "bank", 7)])
        assert await store.remembered("shop", ["0001", "0003"]) == {"0001": seen(1)}
        assert await store.remembered("bank", ["0001"]) == {"0001": seen(1, "bank", 7)}
        assert await store.remembered("shop", []) == {}

    law(run, use)


def test_of_one_that_is_seen_again_the_earliest_and_the_latest_time_stay(run: Run) -> None:
    async def use(store: Any) -> None:
        await store.looked(SAID, [], [seen(1)])
        await store.looked(SAID, [], [replace(seen(1), first_ns=8, last_ns=20)])
        await store.looked(SAID, [], [replace(seen(1), first_ns=2, last_ns=3)])
        found = await store.remembered("shop", ["0001"])
        assert found == {"0001": replace(seen(1), first_ns=2, last_ns=20)}

    law(run, use)


def test_an_alert_is_kept_with_what_was_seen_or_neither_is(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ALERTS_PER_TENANT", 1)

    async def use(store: Any) -> None:
        with pytest.raises(StoreError):
            await store.looked(SAID, [alert(1), alert(2)], [seen(1)])
        assert (await store.alerts(), await store.remembered("shop", ["0001"])) == ([], {})
        await store.looked(SAID, [alert(1)], [seen(1)])
        assert await store.alerts() == [alert(1)]
        assert await store.evaluations() == [SAID]

    law(run, use)


def test_who_leads_no_more_remembers_nothing(run: Run) -> None:
    async def use(opened: Open) -> None:
        one: Any = await opened()
        other: Any = await opened()
        await one.lead("one", 100, 0)
        await other.lead("other", 300, 200)
        with pytest.raises(StoreError):
            await one.looked(SAID, [], [seen(1)])
        assert await other.remembered("shop", ["0001"]) == {}

    run(use)


def test_of_too_many_those_that_were_seen_longest_ago_go(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ERROR_PATTERNS", 3)

    async def use(store: Any) -> None:
        await store.looked(SAID, [], [seen(n, last_ns=10 + n) for n in range(3)])
        await store.looked(SAID, [], [seen(0, last_ns=50), seen(1, "bank")])
        await store.looked(SAID, [], [seen(7, last_ns=60), seen(8, last_ns=70)])
        found = await store.remembered("shop", [f"{n:04}" for n in range(9)])
        assert sorted(found) == ["0000", "0007", "0008"]
        assert len(await store.remembered("bank", ["0001"])) == 1

    law(run, use)


def test_more_are_asked_for_than_one_statement_takes(run: Run) -> None:
    async def use(store: Any) -> None:
        some = [seen(n) for n in range(1_300)]
        await store.looked(SAID, [], some)
        assert len(await store.remembered("shop", [one.id for one in some])) == 1_300

    law(run, use)


def test_an_id_is_of_its_service_and_statement() -> None:
    keys = [("a",), ("b",), ("a", "b"), ("b", "a"), ("a,b",), ('a","b',), ("", "a")]
    assert len({id_of(*key) for key in keys}) == len(keys)
    assert id_of("a", "b") == id_of("a", "b")
