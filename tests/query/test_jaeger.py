"""Jaeger's HTTP API: names, search, dependencies, and what is refused."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from tests.examples import examples

from tailrace.core import limits
from tailrace.core.clock import ManualClock
from tailrace.query.bounds.allowance import Allowance, Policy
from tailrace.query.jaeger import routes
from tailrace.query.service import QueryService
from tailrace.wire.spans import Event, Span

from .conftest import BASE_S, SECOND

SHORT = Policy(Allowance(timeout_s=5))
BASE = BASE_S * SECOND
US = 1_000
MS = 1_000_000
NOW = BASE + 3_600 * SECOND
HOST = {"host.name": "h1", "k8s.pod.name": "pod-1"}


def ask(engine: Any, tenant: str, path: str, now: int = NOW, **asked: Any) -> httpx.Response:
    service = QueryService(engine, None, ManualClock(now), policy=SHORT)
    app = Starlette(routes=routes(service, lambda connection: tenant))

    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get(path, params=asked or None)

    return asyncio.run(run())


def data(engine: Any, tenant: str, path: str, **asked: Any) -> Any:
    answer = ask(engine, tenant, path, **asked)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def found(engine: Any, tenant: str, **asked: Any) -> list[str]:
    """Ids of the traces of a search."""
    return [trace["traceID"] for trace in data(engine, tenant, "/api/traces", **asked)]


def span(number: int, name: str, trace: str, own: str, parent: str = "", **more: Any) -> Span:
    fields: dict[str, Any] = {"duration": 5 * MS, "service": "web", **more}
    return Span(BASE + number * SECOND, name, trace, own, parent_span_id=parent, **fields)


A, B, C, D = ("a" * 32, "b" * 32, "c" * 32, "d" * 32)
SPANS = [
    span(1, "GET /cart", A, "a1", kind="server", attributes={"http.status_code": "200"},
         resource=HOST),
    span(1, "charge", A, "a2", "a1", service="cart", status="error", duration=90 * MS,
         kind="client", attributes={"db.system": "redis"}),
    span(2, "GET /cart", B, "b1", kind="server", status="error", status_message="no cart",
         attributes={"http.response.status_code": "500", "http.route": "/cart"},
         events=[Event(0, "exception", {"exception.type": "KeyError"})]),
    span(3, "GET /home", C, "c1", kind="server", duration=200 * MS, scope_name="shop.http",
         attributes={"http.route": "/home", "empty": ""}),
    span(3, "render", C, "c2", "c1", kind="internal", duration=300 * MS),
    span(4, "mail", D, "d1", service="mail/queue", kind="consumer"),
]  # fmt: skip


@pytest.fixture(scope="module")
def tenant(engine: Any) -> str:
    name: str = engine.tenant()
    engine.load_spans(name, SPANS)
    engine.load_spans(engine.tenant(), [span(1, "secret", A, "e1", service="hidden")])
    return name


def test_services_are_those_of_the_tenant(engine: Any, tenant: str) -> None:
    answer = ask(engine, tenant, "/api/services").json()
    assert answer == {
        "data": ["cart", "mail/queue", "web"], "total": 3, "limit": 0, "offset": 0, "errors": None,
    }  # fmt: skip


def test_operations_of_a_service(engine: Any, tenant: str) -> None:
    path = "/api/services/web/operations"
    assert data(engine, tenant, path) == ["GET /cart", "GET /home", "render"]
    assert data(engine, tenant, "/api/services/mail%2Fqueue/operations") == ["mail"]
    assert data(engine, tenant, "/api/services/a%0A%2F%00b/operations") == []
    assert data(engine, tenant, "/api/services/hidden/operations") == []
    assert data(engine, tenant, "/api/services/none/operations") == []


def test_operations_with_their_kinds(engine: Any, tenant: str) -> None:
    assert data(engine, tenant, "/api/operations", service="web") == [
        {"name": "GET /cart", "spanKind": "server"},
        {"name": "GET /home", "spanKind": "server"},
        {"name": "render", "spanKind": "internal"},
    ]
    asked = {"service": "web", "spanKind": "internal"}
    assert [one["name"] for one in data(engine, tenant, "/api/operations", **asked)] == ["render"]


def test_names_are_of_the_last_week_or_of_the_range(engine: Any, tenant: str) -> None:
    late = NOW + 9 * 86_400 * SECOND
    assert ask(engine, tenant, "/api/services", late).json()["data"] == []
    known = ask(engine, tenant, "/api/services", late, start=BASE // US, end=NOW // US)
    assert known.json()["total"] == 3


def test_names_are_remembered_for_ten_seconds(engine: Any, tenant: str) -> None:
    clock = ManualClock(NOW - 60 * SECOND)
    tenants = iter([tenant, tenant, engine.tenant(), tenant])
    app = Starlette(routes=routes(QueryService(engine, None, clock), lambda _: next(tenants)))

    async def run() -> list[Any]:
        transport = httpx.ASGITransport(app=app)
        answers = []
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            for ahead in (0, 1, 0, 20):
                clock.advance(ahead)
                engine.statements.clear()
                answers.append((await client.get("/api/services")).json()["total"])
                answers.append(len(engine.statements))
        return answers

    assert asyncio.run(run()) == [3, 1, 3, 0, 0, 1, 3, 1]


def test_a_search_gives_whole_traces_newest_first(engine: Any, tenant: str) -> None:
    traces = data(engine, tenant, "/api/traces", service="web")
    assert [trace["traceID"] for trace in traces] == [C, B, A]
    assert [one["operationName"] for one in traces[2]["spans"]] == ["GET /cart", "charge"]
    assert {one["serviceName"] for one in traces[2]["processes"].values()} == {"web", "cart"}
    assert found(engine, tenant, service="web", limit=1) == [C]


SEARCHES: list[tuple[dict[str, Any], list[str]]] = [
    ({"operation": "GET /cart"}, [B, A]),
    ({"operation": "GET"}, []),
    ({"minDuration": "200ms"}, [C]),
    ({"minDuration": "201ms", "maxDuration": "299ms"}, []),
    ({"maxDuration": "5ms"}, [B, A]),
    ({"tags": '{"error":"true"}'}, [B]),
    ({"tags": '{"error":true}'}, [B]),
    ({"tags": '{"error":"false"}'}, [C, A]),
    ({"tag": "span.kind:internal"}, [C]),
    ({"tag": "span.kind:SERVER"}, [C, B, A]),
    ({"tag": "otel.status_code:ERROR"}, [B]),
    ({"tag": "otel.status_description:no cart"}, [B]),
    ({"tag": "otel.scope.name:shop.http"}, [C]),
    ({"tag": "http.status_code:200"}, [A]),
    ({"tags": '{"http.status_code":500}'}, [B]),
    ({"tag": "http.response.status_code:200"}, [A]),
    ({"tag": "k8s.pod.name:pod-1"}, [A]),
    ({"tag": "exception.type:KeyError"}, [B]),
    ({"tag": "event:exception"}, [B]),
    ({"tag": "empty:"}, [C]),
    ({"tag": ["http.route:/cart", "error:true"]}, [B]),
    ({"tag": "http.route:/home", "operation": "render"}, []),
    ({"tag": "db.system:redis"}, []),
    ({"tag": "a:b:c"}, []),
    ({"start": (BASE + 2 * SECOND) // US, "end": (BASE + 2 * SECOND) // US}, [B]),
    ({"start": (BASE + 2 * SECOND + US) // US}, [C]),
    ({"lookback": "custom"}, [C, B, A]),
    ({"lookback": "2d"}, [C, B, A]),
    ({"lookback": "59m"}, []),
]


@pytest.mark.parametrize(("asked", "expected"), SEARCHES, ids=lambda value: str(value)[:40])
def test_one_span_must_meet_every_condition(
    engine: Any, tenant: str, asked: dict[str, Any], expected: list[str]
) -> None:
    assert found(engine, tenant, service="web", **asked) == expected


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({}, "'service' is required"),
    ({"service": "web", "limit": "0"}, "limit='0'"),
    ({"service": "web", "limit": "1501"}, "limit='1501'"),
    ({"service": "web", "limit": "-1"}, "limit='-1'"),
    ({"service": "web", "tag": "x"}, "tag='x'"),
    ({"service": "web", "tag": ":x"}, "without a name"),
    ({"service": "web", "tags": "x=1"}, "tags='x=1'"),
    ({"service": "web", "tags": '{"a":{}}'}, "tags="),
    ({"service": "web", "tags": '{"a":"\\ud800"}'}, "tags="),
    ({"service": "web", "tags": json.dumps({str(n): "" for n in range(65)})}, "QUERY_TERMS"),
    ({"service": "web", "minDuration": "5"}, "minDuration='5'"),
    ({"service": "web", "minDuration": "2s", "maxDuration": "1s"}, "'maxDuration'"),
    ({"service": "web", "start": "yesterday"}, "start='yesterday'"),
    ({"service": "web", "end": "9" * 19}, "end="),
    ({"service": "web", "start": "2", "end": "1"}, "before"),
    ({"service": "web", "lookback": "soon"}, "lookback='soon'"),
    ({"traceID": "xyz"}, "no trace id"),
    ({"traceID": [f"{n:x}" for n in range(65)]}, "QUERY_TERMS"),
]


@pytest.mark.parametrize(("asked", "words"), REFUSED, ids=lambda value: str(value)[:40])
def test_what_is_no_search_is_refused_with_its_reason(
    engine: Any, tenant: str, asked: dict[str, Any], words: str
) -> None:
    answer = ask(engine, tenant, "/api/traces", **asked)
    [error] = answer.json()["errors"]
    assert (answer.status_code, error["code"]) == (400, 400)
    assert words in error["msg"]


def test_traces_by_their_ids_and_which_are_not_there(engine: Any, tenant: str) -> None:
    answer = ask(engine, tenant, "/api/traces", traceID=[B, "F" * 32, A.upper()]).json()
    assert [trace["traceID"] for trace in answer["data"]] == [B, A]
    assert answer["errors"] == [{"code": 404, "msg": "trace not found", "traceID": "F" * 32}]


@pytest.mark.parametrize("unit", [SECOND, MS, US, 1])
def test_a_trace_is_found_near_the_time_of_the_hint_and_elsewhere(
    engine: Any, tenant: str, unit: int
) -> None:
    for time in (BASE, BASE - 30 * 86_400 * SECOND):
        [trace] = data(engine, tenant, f"/api/traces/{A}", start=time // unit, end=NOW // unit)
        assert len(trace["spans"]) == 2
    assert ask(engine, tenant, f"/api/traces/{A}", start="x").status_code == 400


def test_the_newest_traces_are_given_whole_and_it_says_what_is_left_out(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = engine.tenant()
    engine.load_spans(name, [
        span(number, f"n{number}", f"{number:032x}", f"{number}{of}") for number in range(1, 5)
        for of in range(3)
    ])  # fmt: skip
    monkeypatch.setattr("tailrace.core.limits.SEARCH_SPANS", 7)
    traces = data(engine, name, "/api/traces", service="web")
    assert [len(trace["spans"]) for trace in traces] == [3, 3]
    assert traces[0]["warnings"] is None
    [warning] = traces[1]["warnings"]
    assert warning.startswith("2 older traces are left out") and "SEARCH_SPANS" in warning
    both = ask(engine, name, "/api/traces", traceID=[f"{n:x}" for n in range(1, 5)])
    assert both.status_code == 400 and "SEARCH_SPANS" in both.text


def test_a_search_whose_traces_are_too_large_gives_fewer(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = engine.tenant()
    engine.load_spans(name, [
        span(number, "n", f"{number:032x}", f"{number}{of}", status_message="x" * 999)
        for number in range(1, 5) for of in range(500)
    ])  # fmt: skip
    monkeypatch.setattr("tailrace.core.limits.TRACE_BYTES", 900_000)
    traces = data(engine, name, "/api/traces", service="web")
    assert [trace["traceID"][-1] for trace in traces] == ["4"]
    assert traces[-1]["warnings"][0].startswith("3 older traces")
    monkeypatch.setattr("tailrace.core.limits.TRACE_BYTES", 100_000)
    answer = ask(engine, name, "/api/traces", service="web")
    assert answer.status_code == 400 and "TRACE_BYTES" in answer.text


def test_dependencies_are_calls_between_services_scaled_by_weight(engine: Any) -> None:
    name = engine.tenant()
    engine.load_spans(name, [
        span(1, "GET", A, "a1"), span(1, "in", A, "a2", "a1"),
        span(1, "charge", A, "a3", "a2", service="cart"),
        span(1, "lost", A, "a4", "ff", service="cart"),
        span(2, "GET", B, "a1"), span(2, "charge", B, "a3", "a1", service="cart"),
        span(2, "pay", B, "b4", "a3", service="bank"),
    ])  # fmt: skip
    engine.client.command(f"ALTER TABLE spans UPDATE Weight = 20 WHERE TraceId = '{B}' "
                          f"AND Tenant = '{name}' SETTINGS mutations_sync = 2")  # fmt: skip
    expected = [
        {"parent": "web", "child": "cart", "callCount": 21},
        {"parent": "cart", "child": "bank", "callCount": 20},
    ]
    asked = {"endTs": NOW // MS, "lookback": 3_600_000}
    assert data(engine, name, "/api/dependencies", **asked) == expected
    assert data(engine, name, "/api/dependencies") == expected
    assert data(engine, name, "/api/dependencies", endTs=BASE // MS, lookback=1000) == []
    assert data(engine, engine.tenant(), "/api/dependencies") == []
    for wrong in ({"endTs": "x"}, {"lookback": "1h"}, {"endTs": "9" * 18}):
        assert ask(engine, name, "/api/dependencies", **wrong).status_code == 400


def test_a_span_that_calls_several_services_is_a_call_of_each(engine: Any) -> None:
    name = engine.tenant()
    called = ("bank", "cart", "mail")
    children = [span(1, "ask", A, f"b{n}", "a1", service=one) for n, one in enumerate(called)]
    engine.load_spans(name, [span(1, "GET", A, "a1"), span(1, "GET", A, "a1"), *children])
    asked = {"endTs": NOW // MS, "lookback": 3_600_000}
    assert data(engine, name, "/api/dependencies", **asked) == [
        {"parent": "web", "child": one, "callCount": 1} for one in called
    ]


def test_of_too_many_spans_some_traces_are_read_and_count_for_the_rest(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = engine.tenant()
    engine.load_spans(name, [
        one for n in range(401) for one in (
            span(1, "GET", f"{n:032x}", f"{n:x}1"),
            span(1, "charge", f"{n:032x}", f"{n:x}2", f"{n:x}1", service="cart"))
    ])  # fmt: skip
    monkeypatch.setattr("tailrace.core.limits.DEPENDENCY_SPANS", 200)
    [link] = data(engine, name, "/api/dependencies")
    assert link["callCount"] % 5 == 0 and 240 < link["callCount"] < 560  # every fifth, five times


@pytest.mark.parametrize("path", ["latencies", "calls", "errors", "minstep"])
def test_metrics_of_spans_are_refused_as_jaegers_page_expects(engine: Any, path: str) -> None:
    answer = ask(engine, "t", f"/api/metrics/{path}", service="web")
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (501, 501)


HOSTILE = [
    "'", '"', "\\", "\\'", "{p0:String}", "%s", "${a}", "'); DROP TABLE spans; --", "\0", "\n",
    "\u202e", "é", "x" * 5000, "Tenant", "\ufffd",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text)[:12])
def test_hostile_names_and_values_are_only_text(engine: Any, text: str) -> None:
    name = engine.tenant()
    attributes = {text: text, "plain": text}
    if len(text) < 4096:
        engine.load_spans(name, [span(1, text, A, "a1", service=text, attributes=attributes)])
    for asked in (
        {"tags": json.dumps({text: text})}, {"tag": f"plain:{text}"}, {"operation": text}, {},
    ):  # fmt: skip
        answer = ask(engine, name, "/api/traces", service=text, **asked)
        assert answer.status_code == 200, answer.text
        if text not in ("\0", "") and len(text) < 4096:
            assert [trace["traceID"] for trace in answer.json()["data"]] == [A], asked
    assert ask(engine, name, "/api/operations", service=text, spanKind=text).status_code == 200


TEXT = st.text(max_size=12)


@settings(
    max_examples=examples(30),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.sampled_from(["/api/traces", "/api/services", "/api/operations", "/api/dependencies"]),
    st.dictionaries(
        st.sampled_from(["service", "operation", "tag", "tags", "limit", "start", "end", "endTs",
                         "lookback", "minDuration", "maxDuration", "spanKind", "traceID"]),
        TEXT | st.integers(-10, 2**70).map(str) | st.sampled_from(["1ms", "a:b", '{"a":1}']),
    ),
)  # fmt: skip
def test_no_text_is_more_than_refused(
    engine: Any, tenant: str, path: str, asked: dict[str, str]
) -> None:
    assert ask(engine, tenant, path, **asked).status_code in (200, 400)


def test_every_statement_names_the_tenant(engine: Any, tenant: str) -> None:
    engine.statements.clear()
    data(engine, tenant, "/api/services")
    data(engine, tenant, "/api/operations", service="web")
    data(engine, tenant, "/api/traces", service="web")
    data(engine, tenant, "/api/dependencies")
    data(engine, tenant, f"/api/traces/{A}")
    data(engine, tenant, f"/api/v1/traces/{A}/logs")
    assert len(engine.statements) == 9
    for statement in engine.statements:
        assert statement.count("Tenant = {") == statement.count("FROM spans") + statement.count(
            "FROM logs"
        )


def test_names_and_links_beyond_their_bounds_are_left_out(
    engine: Any, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "TRACE_NAMES", 2)
    assert len(data(engine, tenant, "/api/services/web/operations")) == 2
    name = engine.tenant()
    calls = [
        span(5, "ask", A, f"{number:04x}", "a1", service=f"service-{number}") for number in range(4)
    ]
    engine.load_spans(name, [span(5, "all", A, "a1"), *calls])
    monkeypatch.setattr(limits, "DEPENDENCY_LINKS", 2)
    asked = {"endTs": NOW // MS, "lookback": 3_600_000}
    assert len(data(engine, name, "/api/dependencies", **asked)) == 2
