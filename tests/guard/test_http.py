"""What the guard's routes refuse: too much of a value, a body, an audit."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from tailrace.core import access, limits
from tailrace.core.clock import ManualClock
from tailrace.core.contracts import StoredRow
from tailrace.guard.audit import Audit
from tailrace.guard.http import audit_routes, routes

from .cleaning import USUAL
from .fakes import FakeKeyring

PSEUDONYMS, AUDIT = "/api/v1/pseudonyms", "/api/v1/guard/audit"


class Nothing:
    """A Stored without rows, that remembers how many were asked for."""

    def __init__(self) -> None:
        self.rows = 0

    async def sample(
        self, tenant: str, since_ns: int, rows: int
    ) -> AsyncIterator[Sequence[StoredRow]]:
        self.rows = rows
        yield []


def ask(method: str, path: str, **options: Any) -> tuple[httpx.Response, int]:
    """The answer, and how many rows of the store it asked for."""
    stored = Nothing()
    audit = Audit(stored)
    found = [*routes(FakeKeyring(), {"email"}), *audit_routes(audit, lambda: USUAL, ManualClock())]
    application = Starlette(routes=found)

    async def known(scope: Any, receive: Any, send: Any) -> None:
        scope[access.KEY] = access.Principal("acme", frozenset(access.Scope))
        await application(scope, receive, send)

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(known)
        async with httpx.AsyncClient(transport=transport, base_url="http://guard") as client:
            return await client.request(method, path, **options)

    try:
        return asyncio.run(send()), stored.rows
    finally:
        audit.close()


def value(chars: int) -> bytes:
    return json.dumps({"kind": "email", "value": "a" * chars}).encode()


def test_a_value_is_taken_up_to_its_bound_and_no_longer() -> None:
    fits, _ = ask("POST", PSEUDONYMS, content=value(limits.PSEUDONYM_VALUE_CHARS))
    assert (fits.status_code, len(fits.json()["pseudonyms"])) == (200, 1)
    longer, _ = ask("POST", PSEUDONYMS, content=value(limits.PSEUDONYM_VALUE_CHARS + 1))
    assert longer.status_code == 400
    assert "no longer" in longer.json()["error"]


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "endless"])
def test_a_body_beyond_its_bound_is_refused_unread(declared: bool) -> None:
    body = value(1) + b" " * limits.PSEUDONYM_BODY_BYTES

    async def pieces() -> AsyncIterator[bytes]:
        yield body

    answer, _ = ask("POST", PSEUDONYMS, content=body if declared else pieces())
    assert answer.status_code == 400
    assert str(limits.PSEUDONYM_BODY_BYTES) in answer.json()["error"]


def test_an_audit_reads_as_many_rows_as_it_may_and_no_more() -> None:
    answer, rows = ask("GET", AUDIT, params={"rows": str(limits.AUDIT_ROWS)})
    assert (answer.status_code, rows) == (200, limits.AUDIT_ROWS)
    answer, rows = ask("GET", AUDIT, params={"rows": str(limits.AUDIT_ROWS + 1)})
    assert (answer.status_code, rows) == (400, 0)
    assert str(limits.AUDIT_ROWS) in answer.json()["error"]
