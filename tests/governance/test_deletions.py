"""The record of every deletion, and its route, on the real control store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from places import Place as Store
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from tailrace.core import limits
from tailrace.core.access import KEY, Principal
from tailrace.core.clock import ManualClock
from tailrace.core.deletion import Deletion, Place, Reason
from tailrace.governance.control import Control
from tailrace.governance.deletions import DeletionRecord, routes

DAY = Deletion(
    "hot/logs/20261101/7", "shop", Place.HOT, Reason.EXPIRED, "logs of 2026-11-01", 10, 2_000,
    "logs", "", 1, 2,
)  # fmt: skip
Use = Callable[[DeletionRecord], Awaitable[None]]


def deletion(number: int, tenant: str = "shop", reason: Reason = Reason.DROPPED) -> Deletion:
    return Deletion(f"dead/{number}", tenant, Place.DEAD_LETTERS, reason, f"letter {number}", 1)


class Server:
    """Each `run` is a process of its own on the same store."""

    def __init__(self, place: Store) -> None:
        self.place = place
        self.clock = ManualClock()

    def run(self, use: Use) -> None:
        async def work(control: Control) -> None:
            await use(DeletionRecord(control, self.clock))

        self.place.use(work)

    async def get(self, record: DeletionRecord, tenant: str = "shop", **asked: Any) -> Any:
        application = Starlette(routes=routes(record, self.clock))

        async def entered(scope: Scope, receive: Receive, send: Send) -> None:
            scope[KEY] = Principal(tenant, frozenset())
            await application(scope, receive, send)

        transport = httpx.ASGITransport(app=entered)
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            return await client.get("/api/v1/deletions", params=asked)

    async def subjects(self, record: DeletionRecord, tenant: str = "shop", **asked: Any) -> Any:
        answer = await self.get(record, tenant, **asked)
        assert answer.status_code == 200, answer.text
        return [one["subject"] for one in answer.json()["deletions"]]


@pytest.fixture
def server(place: Store) -> Server:
    return Server(place)


def test_a_deletion_says_all_that_is_known_and_outlives_the_process(server: Server) -> None:
    now_ns = server.clock.wall_ns()
    server.run(lambda record: record.note([DAY]))

    async def look(record: DeletionRecord) -> None:
        assert (await server.get(record)).json() == {
            "deletions": [{
                "id": "hot/logs/20261101/7", "at_ns": now_ns, "place": "hot", "reason": "expired",
                "subject": "logs of 2026-11-01", "rows": 10, "bytes": 2_000, "signal": "logs",
                "service": "", "first_ns": 1, "last_ns": 2,
            }],
            "truncated": False,
        }  # fmt: skip

    server.run(look)


def test_noted_again_after_a_crash_it_is_the_same_one(server: Server) -> None:
    async def use(record: DeletionRecord) -> None:
        await record.note([DAY])
        server.clock.advance(60)
        more = Deletion(DAY.id, "shop", Place.HOT, Reason.EXPIRED, "what was left of it", 3)
        await record.note([more, deletion(1), deletion(1)])
        assert await server.subjects(record) == ["letter 1", DAY.subject]

    server.run(use)


def test_a_tenant_sees_its_own_and_what_nobody_knows_the_tenant_of(server: Server) -> None:
    async def use(record: DeletionRecord) -> None:
        await record.note([deletion(1), deletion(2, "bank"), deletion(3, "")])
        assert await server.subjects(record, "bank") == ["letter 2", "letter 3"]

    server.run(use)


def test_they_are_listed_by_reason_and_time_newest_first(server: Server) -> None:
    async def use(record: DeletionRecord) -> None:
        for number, reason in enumerate([Reason.DROPPED, Reason.EXPIRED, Reason.FORGOTTEN]):
            await record.note([deletion(number, reason=reason)])
            server.clock.advance(3_600)
        assert await server.subjects(record) == ["letter 2", "letter 1", "letter 0"]
        assert await server.subjects(record, reason="expired,dropped") == ["letter 1", "letter 0"]
        assert await server.subjects(record, since="90m") == ["letter 2"]
        found = (await server.get(record, limit=2)).json()
        assert (len(found["deletions"]), found["truncated"]) == (2, True)

    server.run(use)


@pytest.mark.parametrize("asked", [{"reason": "lost"}, {"since": "x"}, {"limit": "10001"}])
def test_what_cannot_be_asked_is_refused_by_name(tmp_path: Any, asked: dict[str, str]) -> None:
    server = Server(Store(tmp_path))

    async def use(record: DeletionRecord) -> None:
        answer = await server.get(record, **asked)
        assert answer.status_code == 400
        (name,) = asked
        assert name in answer.json()["error"]

    server.run(use)


def test_the_oldest_of_a_tenant_go(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "DELETIONS_PER_TENANT", 2)

    async def use(record: DeletionRecord) -> None:
        await record.note([deletion(9, "bank")])
        for number in range(3):
            server.clock.advance(1)
            await record.note([deletion(number)])
        assert await server.subjects(record) == ["letter 2", "letter 1"]
        assert await server.subjects(record, "bank") == ["letter 9"]

    server.run(use)


def test_more_than_one_statement_takes_are_noted(server: Server) -> None:
    async def use(record: DeletionRecord) -> None:
        many = [deletion(number) for number in range(2_500)]
        await asyncio.gather(record.note(many), record.note(many))
        assert len(await server.subjects(record, limit=10_000)) == 2_500

    server.run(use)
