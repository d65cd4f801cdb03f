"""Two tenants in one engine: `mine`, whose rows are asked for, and another, whose rows are not."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette

from tailrace.core.clock import ManualClock
from tailrace.core.frame import Signal
from tailrace.core.sample import Exemplar, Sample
from tailrace.core.span import Event, Link, Span
from tailrace.query.bounds.allowance import Allowance, Policy
from tailrace.query.service import QueryService
from tailrace.query.sources import Sources
from tailrace.query.sql.http import routes

sys.path.insert(0, str(Path(__file__).parents[1]))

from archiving import Archiving

SECOND = 1_000_000_000
BASE_S = 1_767_225_600  # 2026-01-01T00:00:00Z
BASE = BASE_S * SECOND
MARKER = "xyzzymarker"
RANGE = {"start": str(BASE_S), "end": str(BASE_S + 3600)}


class RawChdb:
    """The engine of the other tests; counts the answers that ended, or were left."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.stopped = 0

    async def rows(self, *arguments: Any) -> list[Any]:
        found: list[Any] = await self._engine.rows(*arguments)
        return found

    async def raw(self, *arguments: Any, form: str) -> AsyncGenerator[bytes, None]:
        try:
            async with aclosing(self._engine.raw(*arguments, form=form)) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            self.stopped += 1


class Asker:
    """Asks `/api/sql` in the name of `tenant`."""

    def __init__(
        self, engine: RawChdb, tenant: str, allowed: Allowance | None = None,
        sources: Sources | None = None,
    ) -> None:  # fmt: skip
        self.engine = engine
        self.tenant = tenant
        self.sources = sources
        policy = Policy(Allowance(), {tenant: allowed or Allowance()})
        clock = ManualClock(BASE + 3600 * SECOND)
        service = QueryService(engine, clock=clock, policy=policy, sources=sources)  # type: ignore[arg-type]
        self.metrics = service.metrics
        self.app = Starlette(routes=routes(service, lambda connection: tenant))

    def ask(self, query: str, method: str = "GET", **asked: Any) -> httpx.Response:
        """The answer over a range that holds all rows, unless `asked` has another."""
        headers = asked.pop("headers", {})
        form = {"query": query, **RANGE, **asked}
        place = {"params": form} if method == "GET" else {"data": form}
        return self.request(method, headers=headers, **place)

    def request(self, method: str, **options: Any) -> httpx.Response:
        async def run() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                return await client.request(method, "/api/sql", **options)

        return asyncio.run(run())

    def rows(self, query: str, **asked: Any) -> list[list[Any]]:
        """Values of each row. Fails when the query does."""
        answer = self.ask(query, **asked)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert found["rows"] == len(found["data"])
        return [list(row.values()) for row in found["data"]]


def _load(engine: Any, tenant: str, words: list[str], later_s: int = 0) -> None:
    start = BASE + later_s * SECOND
    engine.load(tenant, [
        {
            "ns": start + n * SECOND, "ingest": start + n * SECOND, "body": word,
            "severity": 17 if n % 3 == 0 else 9, "service": "web" if n % 2 else "cart",
            "host": f"h{n % 2}", "trace": f"{n:032x}", "span": f"{n:016x}",
            "resource": {"k8s.pod": f"p{n}"}, "attributes": {"user": word, "ms": str(n * 10)},
            "weight": n + 1,
        }
        for n, word in enumerate(words)
    ])  # fmt: skip
    engine.load_samples(tenant, [
        ("cpu", {"core": str(core), "note": words[0]},
         [(later_s + 60 * n, n * (core + 1)) for n in range(5)])
        for core in range(2)
    ], "counter", "s")  # fmt: skip
    engine.load_spans(tenant, [
        Span(start, "GET /", "0a" * 16, "a1", 120_000_000 + later_s, kind="server", service="web",
             attributes={"note": words[0]}, events=[Event(start + 5, "retry", {"n": "1"})],
             links=[Link("0b" * 16, "b2", "", {})]),
        Span(start + SECOND, words[0], "0a" * 16, "b2", 80_000_000, "a1", service="cart",
             status="error", status_message=words[0]),
    ])  # fmt: skip
    engine.load_exemplars(tenant, [
        Sample(start, "size", 1.0, "counter", attributes={"note": words[0]},
               exemplars=[Exemplar(start, 0.5, "0a" * 16, "a1", {"note": words[0]})]),
    ])  # fmt: skip


def load(engine: Any, archive: Path | None = None) -> Asker:
    """Both tenants with their rows; asks in the name of the first. With `archive` what is older
    than three seconds is there alone."""
    mine, other = engine.tenant(), engine.tenant()
    _load(engine, mine, ["one", "two", "three", '{"code": 404, "path": "/a"}', "it's 5 ms", "x=1"])
    # Later, so that a time can tell them apart, too.
    _load(engine, other, [MARKER] * 6, later_s=1800)
    if archive is None:
        return Asker(RawChdb(engine), mine)
    store = Archiving(engine, archive)
    for tenant in (mine, other):
        for signal in Signal:
            store.archived(tenant, signal)
    store.dropped(BASE + 3 * SECOND, mine, other)
    return Asker(RawChdb(engine), mine, sources=store.service.sources)
