"""What a client of any query API meets: it may leave, and it is told what was read."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse

from tailrace.core.metrics import Metrics
from tailrace.query.asked import Asked
from tailrace.query.bounds.allowance import Policy
from tailrace.query.bounds.http import routes as slow_routes
from tailrace.query.bounds.question import Question, asked, asking
from tailrace.query.endpoint import routes_of
from tailrace.query.plan import Statement
from tailrace.query.service import QueryService

HEAVY = Statement("SELECT sum(sipHash64(number)) FROM numbers(100000000000)")
SMALL = Statement("SELECT sum(number) FROM numbers(1000)")


def application(queries: QueryService, handler: Any) -> Starlette:
    def refusal(error: Exception) -> PlainTextResponse:
        return PlainTextResponse(str(error), 400)

    return Starlette(routes=routes_of("/q", {"ask": handler}, queries, lambda _: "shop", refusal))


def scope(method: str = "GET", headers: list[tuple[bytes, bytes]] | None = None) -> dict[str, Any]:
    return {
        "type": "http", "method": method, "path": "/q/ask", "headers": headers or [],
        "query_string": b"query=up", "scheme": "http", "server": ("test", 80),
    }  # fmt: skip


class Client:
    """One that sends `body` and leaves when it is told."""

    def __init__(self, *body: bytes) -> None:
        self.inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: list[Any] = []
        for number, part in enumerate(body or (b"",)):
            more = number < len(body) - 1
            self.inbox.put_nowait({"type": "http.request", "body": part, "more_body": more})

    def leave(self) -> None:
        self.inbox.put_nowait({"type": "http.disconnect"})

    async def send(self, message: Any) -> None:
        self.sent.append(message)


def test_a_client_that_leaves_ends_the_statement_that_ran_for_it() -> None:
    ended: list[str] = []

    async def whole() -> None:
        running = asyncio.Event()

        async def handler(_asked: Asked) -> object:
            try:
                running.set()
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                await asyncio.sleep(0)
                ended.append(asked().text)
                raise
            return None

        metrics = Metrics()
        app = application(QueryService(None, metrics), handler)  # type: ignore[arg-type]  # unused
        client = Client()
        asking = asyncio.create_task(app(scope(), client.inbox.get, client.send))
        await running.wait()
        client.leave()
        await asking
        assert ended == ["up"]
        assert client.sent[0]["status"] == 499
        assert metrics.get("tailrace_query_abandoned_total") == 1

    asyncio.run(whole())


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ([], (b"",)),
        ([(b"content-type", b"text/plain")], (b"a", b"b", b"")),
        ([(b"content-type", b"application/x-www-form-urlencoded"), (b"content-length", b"3")],
         (b"a", b"=b")),
    ],
)  # fmt: skip
def test_a_body_of_any_kind_does_not_end_the_query(
    headers: list[tuple[bytes, bytes]], body: tuple[bytes, ...]
) -> None:
    async def handler(_asked: Asked) -> object:
        for _ in range(10):
            await asyncio.sleep(0)
        return "done"

    async def whole() -> None:
        app = application(QueryService(None), handler)  # type: ignore[arg-type]  # unused
        client = Client(*body)
        await app(scope("POST", headers), client.inbox.get, client.send)
        assert client.sent[1]["body"] == b'{"status":"success","data":"done"}'

    asyncio.run(whole())


def test_an_answer_says_what_was_read_for_it(engine: Any) -> None:
    queries = QueryService(engine)

    async def handler(_asked: Asked) -> object:
        async with queries.slot("lines"):
            return len(await queries.run(SMALL))

    async def whole() -> httpx.Response:
        transport = httpx.ASGITransport(app=application(queries, handler))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get("/q/ask")

    answer = asyncio.run(whole())
    assert answer.headers["x-tailrace-rows-read"] == "1000"
    assert answer.headers["x-tailrace-bytes-read"] == "8000"


def test_the_slow_queries_of_ones_own_tenant_are_told(engine: Any) -> None:
    queries = QueryService(engine, policy=Policy(slow_s=0))

    async def whole() -> httpx.Response:
        for tenant in ("shop", "other"):
            with asking(Question(tenant, f'{{of="{tenant}"}} > 1')):
                async with queries.slot("lines"):
                    await queries.run(SMALL)
        await queries.slow.settled()
        app = Starlette(routes=slow_routes(queries.slow, lambda _: "shop"))
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get("/api/v1/queries/slow")

    (found,) = asyncio.run(whole()).json()["queries"]
    assert (found["tenant"], found["query"], found["outcome"]) == ("shop", '{of="…"} > 1', "ok")
    assert found["read_rows"] == 1000
    assert "ReadFromSystemNumbers" in found["plan"]
