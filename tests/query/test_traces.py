"""A trace is found by its id, in the shape that clients of Jaeger read."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette

from tailrace.core.clock import ManualClock
from tailrace.core.errors import StoreError
from tailrace.core.metrics import Metrics
from tailrace.query.bounds.allowance import Allowance, Policy
from tailrace.query.jaeger import routes
from tailrace.query.service import QueryService
from tailrace.query.traces import tree
from tailrace.wire.spans import Event, Link, Span

from .conftest import BASE_S, SECOND

SHORT = Policy(Allowance(timeout_s=5))
BASE = BASE_S * SECOND
TRACE = "0af7651916cd43dd8448eb211c80319c"
RESOURCE = {"service.name": "web", "host.name": "h1"}
ROOT = Span(
    BASE + 1_999, "GET /cart", TRACE, "b7ad6b7169203331", 120_000_000, "", "a=1",
    "server", "web", "error", "no such cart", "shop.http", "1.2", {"http.route": "/cart"}, RESOURCE,
    [Event(BASE + 5_000, "exception", {"exception.type": "KeyError"}), Event(BASE + 6_000)],
    [Link("c3" * 16, "d4" * 8)],
)  # fmt: skip
CHILD = Span(BASE + 3_000, "lookup", TRACE, "00f067aa0ba902b7", 1_500, "b7ad6b7169203331")


def get(engine: Any, tenant: str, trace_id: str, metrics: Metrics | None = None) -> httpx.Response:
    service = QueryService(engine, metrics, ManualClock(BASE), policy=SHORT)
    app = Starlette(routes=routes(service, lambda connection: tenant))

    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get(f"/api/traces/{trace_id}")

    return asyncio.run(run())


@pytest.fixture(scope="module")
def tenant(engine: Any) -> str:
    name: str = engine.tenant()
    engine.load_spans(name, [CHILD, ROOT])
    return name


def text(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "type": "string", "value": value}


def test_a_trace_in_the_shape_of_jaeger(engine: Any, tenant: str) -> None:
    answer = get(engine, tenant, TRACE)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    body = answer.json()
    [found] = body.pop("data")
    assert body == {"total": 0, "limit": 0, "offset": 0, "errors": None}
    assert (found["traceID"], found["warnings"]) == (TRACE, None)
    assert found["processes"] == {
        "p1": {"serviceName": "web", "tags": [text("host.name", "h1")]},
        "p2": {"serviceName": "unknown_service", "tags": []},
    }
    root, child = found["spans"]
    assert root == {
        "traceID": TRACE,
        "spanID": "b7ad6b7169203331",
        "flags": 1,
        "operationName": "GET /cart",
        "references": [{"refType": "FOLLOWS_FROM", "traceID": "c3" * 16, "spanID": "d4" * 8}],
        "startTime": BASE // 1000 + 1,
        "duration": 120_000,
        "tags": [
            {"key": "error", "type": "bool", "value": True},
            text("span.kind", "server"),
            text("otel.status_code", "ERROR"),
            text("otel.status_description", "no such cart"),
            text("otel.scope.name", "shop.http"),
            text("otel.scope.version", "1.2"),
            text("w3c.tracestate", "a=1"),
            text("http.route", "/cart"),
        ],
        "logs": [
            {
                "timestamp": BASE // 1000 + 5,
                "fields": [text("event", "exception"), text("exception.type", "KeyError")],
            },
            {"timestamp": BASE // 1000 + 6, "fields": []},
        ],
        "processID": "p1",
        "warnings": None,
    }
    assert child["references"] == [
        {"refType": "CHILD_OF", "traceID": TRACE, "spanID": "b7ad6b7169203331"}
    ]
    assert (child["processID"], child["tags"], child["duration"]) == ("p2", [], 1)


@pytest.mark.parametrize("spelled", [TRACE.upper(), TRACE[1:], "00" + TRACE[2:]])
def test_an_id_is_found_as_clients_write_it(engine: Any, tenant: str, spelled: str) -> None:
    assert get(engine, tenant, spelled).status_code == (404 if spelled[:2] == "00" else 200)


def test_an_id_of_64_bits_is_found(engine: Any) -> None:
    name = engine.tenant()
    engine.load_spans(name, [Span(BASE, "a", "00f067aa0ba902b7", "b2")])
    for spelled in ("00f067aa0ba902b7", "f067aa0ba902b7", "0" * 16 + "00f067aa0ba902b7"):
        assert get(engine, name, spelled).status_code == 200


def test_another_tenant_does_not_see_it(engine: Any, tenant: str) -> None:
    answer = get(engine, engine.tenant(), TRACE)
    assert answer.status_code == 404
    assert answer.json() == {
        "data": None, "total": 0, "limit": 0, "offset": 0,
        "errors": [{"code": 404, "msg": "trace not found"}],
    }  # fmt: skip


@pytest.mark.parametrize("trace_id", ["xyz", "a" * 33, "a'b", "%00", "%0a", "..%2e"])
def test_what_is_no_id_is_refused(engine: Any, tenant: str, trace_id: str) -> None:
    metrics = Metrics()
    answer = get(engine, tenant, trace_id, metrics)
    assert answer.status_code == 400
    [error] = answer.json()["errors"]
    assert error["code"] == 400 and "no trace id" in error["msg"]
    assert metrics.get("tailrace_query_rejected_total", "QueryError") == 1


def test_a_span_that_was_sent_twice_is_shown_once(engine: Any) -> None:
    name = engine.tenant()
    engine.load_spans(name, [ROOT, CHILD])
    engine.load_spans(name, [ROOT])
    [found] = get(engine, name, TRACE).json()["data"]
    assert len(found["spans"]) == 2


def test_of_a_trace_with_too_many_spans_the_earliest_are_given_and_it_says_so(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tailrace.core.limits.TRACE_SPANS", 3)
    name = engine.tenant()
    engine.load_spans(name, [Span(BASE + n, f"n{n}", TRACE, f"{n:x}") for n in range(5)])
    [found] = get(engine, name, TRACE).json()["data"]
    assert [span["operationName"] for span in found["spans"]] == ["n0", "n1", "n2"]
    assert found["warnings"] == ["more than 3 spans (TRACE_SPANS): later ones are left out"]


def test_a_trace_that_is_too_large_is_refused(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tailrace.core.limits.TRACE_BYTES", 100_000)
    name = engine.tenant()
    many = [Span(BASE + n, "n", TRACE, f"{n:x}", status_message="x" * 999) for n in range(500)]
    engine.load_spans(name, many)
    answer = get(engine, name, TRACE)
    assert answer.status_code == 400
    assert "TRACE_BYTES" in answer.json()["errors"][0]["msg"]


class Failing:
    """An engine that raises."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def rows(self, *args: Any, **kwargs: Any) -> list[tuple[Any, ...]]:
        raise self.error


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (StoreError("Code: 159. Timeout exceeded", 159), 503),
        (StoreError("Code: 60. Unknown table", 60), 500),
    ],
)
def test_an_engine_that_fails_is_told_in_the_same_shape(error: Exception, status: int) -> None:
    answer = get(Failing(error), "none", TRACE)
    assert answer.status_code == answer.json()["errors"][0]["code"] == status


IDS = st.sampled_from(["a", "b", "c", "d", "e", "f"])


@given(st.lists(st.tuples(IDS, st.one_of(st.just(""), IDS)), min_size=1, max_size=12))
def test_any_spans_are_a_tree_with_each_of_them_once(pairs: list[tuple[str, str]]) -> None:
    nodes = [
        {"spanID": own, "references": [{"refType": "CHILD_OF", "spanID": parent}] if parent else []}
        for own, parent in pairs
    ]
    found = list(tree.walk(nodes))
    assert sorted(id(node) for node, _ in found) == sorted(map(id, nodes))
    assert all(depth >= 0 for _, depth in found)
    for (_, above), (_, below) in itertools.pairwise(found):
        assert below <= above + 1


def test_a_deep_trace_needs_no_deep_stack() -> None:
    nodes = [
        {"spanID": str(n), "references": [{"refType": "CHILD_OF", "spanID": str(n - 1)}]}
        for n in range(50_000)
    ]
    assert list(tree.walk(nodes))[-1] == (nodes[-1], 49_999)


@pytest.mark.parametrize(
    ("microseconds", "shown"),
    [(0, "0"), (999, "999us"), (1_000, "1.0ms"), (1_500_000, "1.50s"), (180_000_000, "3.0min")],
)
def test_a_duration_is_spelled_in_its_unit(microseconds: int, shown: str) -> None:
    assert tree.spell(microseconds) == shown
