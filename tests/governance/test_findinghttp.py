"""The HTTP routes of findings, on a real control store."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
from books import Desk
from places import Place as Store
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from tailrace.core import limits
from tailrace.core.access import KEY, Principal
from tailrace.core.finding import Action, Item
from tailrace.governance.findings.book import Book
from tailrace.governance.findings.http import routes
from tailrace.governance.schema import FINDINGS

Get = Callable[..., Awaitable[httpx.Response]]


class Asked:
    """The routes as a credential of `tenant` sees them."""

    def __init__(self, desk: Desk, book: Book) -> None:
        self.desk = desk
        self.book = book
        self._application = Starlette(routes=routes(book, desk.clock))

    async def get(self, path: str = "", tenant: str = "shop", **asked: Any) -> httpx.Response:
        async def entered(scope: Scope, receive: Receive, send: Send) -> None:
            scope[KEY] = Principal(tenant, frozenset())
            await self._application(scope, receive, send)

        transport = httpx.ASGITransport(app=entered)
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            return await client.get(f"/api/v1/findings{path}", params=asked)

    async def services(self, **asked: Any) -> list[str]:
        answer = await self.get(**asked)
        assert answer.status_code == 200, answer.text
        return [one["service"] for one in answer.json()["findings"]]


def run(directory: Path, use: Callable[[Asked], Awaitable[None]]) -> None:
    desk = Desk(Store(directory))
    desk.run(lambda book: use(Asked(desk, book)))


def test_a_finding_says_all_that_is_known_and_no_value(tmp_path: Path) -> None:
    async def use(asked: Asked) -> None:
        asked.book.note([asked.desk.found(1_200)])
        await asked.book.write()
        asked.desk.clock.advance(60.0)
        answer = (await asked.get()).json()
        (one,) = answer["findings"]
        assert not answer["truncated"]
        finding_id = one.pop("id")
        assert one == {
            "service": "payments", "version": "2.4.1", "environment": "production",
            "detector": "pan", "title": "card numbers", "field": "card.number",
            "code": "billing.py:88", "action": "pseudonymise", "hits": 1_200,
            "hits_last_hour": 1_200, "first_seen": "2027-01-15T08:00:00Z",
            "last_seen": "2027-01-15T08:00:00Z", "alerting": True,
            "sentence": "payments 2.4.1 logs card numbers at billing.py:88, 1,200 an hour, "
            "first seen 08:00",
        }  # fmt: skip
        asked.desk.clock.advance(7_200.0)
        asked.book.note([asked.desk.found(5)])
        await asked.book.write()
        detail = (await asked.get(f"/{finding_id}")).json()
        assert detail["hours"] == [
            {"start": "2027-01-15T08:00:00Z", "hits": 1_200},
            {"start": "2027-01-15T10:00:00Z", "hits": 5},
        ]
        assert (detail["hits"], detail["hits_last_hour"]) == (1_205, 5)
        other = await asked.get(f"/{finding_id}", tenant="bank")
        assert (other.status_code, other.json()["reason"]) == (404, "finding")

    run(tmp_path, use)


def test_the_description_of_the_api_has_every_field_of_a_finding_and_no_other() -> None:
    text = (Path(__file__).parents[2] / "docs" / "openapi.json").read_text()
    described = json.loads(text)["components"]["schemas"]["Finding"]
    assert list(described["properties"]) == described["required"] == list(Item.__struct_fields__)
    assert described["properties"]["action"]["enum"] == list(get_args(Action))


def test_parameters_choose_and_the_newest_come_first(tmp_path: Path) -> None:
    async def use(asked: Asked) -> None:
        desk = asked.desk
        asked.book.note([desk.found(1, service="old")])
        desk.clock.advance(25 * 3_600.0)
        asked.book.note([desk.found(1, service="mail", detector="email")])
        desk.clock.advance(60.0)
        asked.book.note([desk.found(1, service="web", environment="test")])
        asked.book.note([desk.found(1, service="theirs", tenant="bank")])
        await asked.book.write()
        assert await asked.services() == ["web", "mail"]
        assert await asked.services(since="2d") == ["web", "mail", "old"]
        assert await asked.services(since=str(desk.clock.wall_ns())) == ["web"]
        assert await asked.services(service="mail") == ["mail"]
        assert await asked.services(detector="pan", since="2d") == ["web", "old"]
        assert await asked.services(environment="test") == ["web"]
        assert await asked.services(alerting="true") == ["web"]
        assert await asked.services(alerting="false") == ["mail"]
        assert await asked.services(service="", detector="", alerting="") == ["web", "mail"]
        assert await asked.services(limit="1") == ["web"]
        assert (await asked.get(limit="1")).json()["truncated"]
        assert not (await asked.get(limit="2")).json()["truncated"]
        assert await asked.services(tenant="bank") == ["theirs"]

    run(tmp_path, use)


def test_an_answer_is_bounded_in_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FINDING_ANSWER_BYTES", 1_000)

    async def use(asked: Asked) -> None:
        asked.book.note([asked.desk.found(1, field=f"f{n}") for n in range(9)])
        await asked.book.write()
        answer = (await asked.get()).json()
        assert 0 < len(answer["findings"]) < 4
        assert answer["truncated"]

    run(tmp_path, use)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("since", "yesterday"),
        ("since", "9" * 25),
        ("limit", "0"),
        ("limit", "10001"),
        ("limit", "many"),
        ("alerting", "yes"),
        ("service", "x" * 201),
        ("service", "a\x00b"),
        ("detector", "\x1b[2J"),
        ("environment", "\u202e"),
    ],
)
def test_a_parameter_that_is_wrong_is_named(tmp_path: Path, name: str, text: str) -> None:
    async def use(asked: Asked) -> None:
        answer = await asked.get(**{name: text})
        assert (answer.status_code, answer.json()["reason"]) == (400, "parameter")
        assert answer.json()["error"].startswith(name)

    run(tmp_path, use)


def test_a_store_that_cannot_be_read_is_503(tmp_path: Path) -> None:
    async def use(asked: Asked) -> None:
        await asked.book._control.run(FINDINGS.drop)
        answer = await asked.get()
        assert (answer.status_code, answer.json()["reason"]) == (503, "store")

    run(tmp_path, use)
