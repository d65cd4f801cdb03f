"""The routes answer in the shapes Grafana and logcli read."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from tailrace.core import limits
from tailrace.core.clock import ManualClock
from tailrace.core.errors import QueryError, StoreError
from tailrace.query.bounds.allowance import Allowance, Policy
from tailrace.query.logs.logs import Logs
from tailrace.query.loki.http import routes
from tailrace.query.service import QueryService
from tailrace.query.times import default_step, parse_span, parse_time

SECOND = 1_000_000_000
BASE_S = 1_767_225_600
BASE = BASE_S * SECOND
ALL = '{service_name=~".+"}'
FLAGS = {"X-Loki-Response-Encoding-Flags": "categorize-labels"}


def ask(engine: Any, tenant: str, path: str, method: str = "GET", **options: Any) -> httpx.Response:
    service = QueryService(engine, clock=ManualClock(BASE + 60 * SECOND))
    app = Starlette(routes=routes(Logs(service), lambda connection: tenant))

    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, f"/loki/api/v1/{path}", **options)

    return asyncio.run(run())


@pytest.fixture
def tenant(engine: Any) -> str:
    name: str = engine.tenant()
    engine.load(name, [
        {"body": "one", "trace": "abc", "resource": {"k8s.pod": "p1"}, "attributes": {"u.id": "7"}},
        {"body": "two", "ns": BASE + SECOND, "severity": 17},
    ])  # fmt: skip
    return name


def test_plain_streams_merge_all_labels(engine: Any, tenant: str) -> None:
    data = ask(engine, tenant, "query_range", params={"query": f'{ALL} |= "one"'}).json()["data"]
    assert data["resultType"] == "streams"
    labels = {
        "service_name": "web", "host_name": "h1", "level": "info", "k8s_pod": "p1",
        "detected_level": "info", "trace_id": "abc", "u_id": "7",
    }  # fmt: skip
    assert data["result"] == [{"stream": labels, "values": [[str(BASE), "one"]]}]


def test_categorized_streams_keep_metadata_apart(engine: Any, tenant: str) -> None:
    params = {"query": f'{ALL} |= "one"'}
    answer = ask(engine, tenant, "query_range", "POST", data=params, headers=FLAGS)
    data = answer.json()["data"]
    assert list(data)[:3] == ["resultType", "encodingFlags", "result"]
    extra = {"detected_level": "info", "trace_id": "abc", "u_id": "7"}
    assert data["result"][0]["values"] == [
        [str(BASE), "one", {"structuredMetadata": extra, "parsed": {}}]
    ]
    assert "trace_id" not in data["result"][0]["stream"]


def test_grafana_health_check(engine: Any, tenant: str) -> None:
    params = {"query": "vector(1)+vector(1)", "time": "4000000000"}
    data = ask(engine, tenant, "query", params=params).json()["data"]
    assert data["resultType"] == "vector"
    assert data["result"] == [{"metric": {}, "value": [4000000000, "2"]}]


def test_counts_by_level(engine: Any, tenant: str) -> None:
    params = {
        "query": f"sum by (level) (count_over_time({ALL}[10s]))",
        "start": str(BASE_S), "end": str(BASE_S + 10), "step": "10000ms",
    }  # fmt: skip
    data = ask(engine, tenant, "query_range", params=params).json()["data"]
    assert data["resultType"] == "matrix"
    assert data["result"] == [
        {"metric": {"level": "error"}, "values": [[BASE_S + 10, "1"]]},
        {"metric": {"level": "info"}, "values": [[BASE_S, "1"]]},
    ]


def test_labels_values_and_series(engine: Any, tenant: str) -> None:
    names = ["host_name", "k8s_pod", "level", "service_name"]
    assert ask(engine, tenant, "labels").json() == {"status": "success", "data": names}
    assert ask(engine, tenant, "label").json()["data"] == names
    assert ask(engine, tenant, "label/level/values").json()["data"] == ["error", "info"]
    assert ask(engine, tenant, "label/k8s_pod/values").json()["data"] == ["p1"]
    found = ask(engine, tenant, "series", params={"match[]": '{level="error"}'}).json()["data"]
    assert found == [{"service_name": "web", "host_name": "h1", "level": "error"}]
    assert ask(engine, "other", "label/level/values").json()["data"] == []


@pytest.mark.parametrize(
    ("path", "params", "message"),
    [
        ("query_range", {}, "query is missing"),
        ("query_range", {"query": "{"}, "1:2"),
        ("query_range", {"query": ALL, "limit": "5001"}, "QUERY_ROWS"),
        ("query_range", {"query": ALL, "limit": "x"}, "limit"),
        ("query_range", {"query": ALL, "start": "yesterday"}, "start"),
        ("query_range", {"query": ALL, "direction": "up"}, "direction"),
        ("query_range", {"query": "1+1", "start": "1", "end": "99999", "step": "1"}, "QUERY_STEPS"),
        ("query_range", {"query": "1+1", "step": "0"}, "step"),
        ("query", {"query": ALL}, "instant"),
        ("series", {}, "match[]"),
        ("series", {"match[]": [ALL] * (limits.QUERY_FORM_FIELDS + 1)}, "1 to 64 match[]"),
    ],
)
def test_errors_are_plain_text(
    engine: Any, path: str, params: dict[str, Any], message: str
) -> None:
    answer = ask(engine, "none", path, params=params)
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/plain")
    assert message in answer.text


class Stuck:
    """An engine that never answers."""

    async def rows(self, *args: Any, **kwargs: Any) -> list[tuple[Any, ...]]:
        await asyncio.Event().wait()
        return []


def test_a_query_that_takes_too_long_is_503(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tailrace.query.bounds.runner.GRACE_S", 0.0)
    service = QueryService(Stuck(), policy=Policy(Allowance(timeout_s=0.01)))
    app = Starlette(routes=routes(Logs(service)))

    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get("/loki/api/v1/query_range", params={"query": ALL})

    answer = asyncio.run(run())
    assert answer.status_code == 503
    assert "longer than 0.01 s (query.timeout)" in answer.text


class Slow:
    """An engine that stops a statement at its limit."""

    async def rows(self, *args: Any, **kwargs: Any) -> list[tuple[Any, ...]]:
        raise StoreError("Code: 159. DB::Exception: Timeout exceeded", 159)


def test_the_engines_own_timeout_is_a_timeout() -> None:
    answer = ask(Slow(), "none", "query_range", params={"query": ALL})
    assert answer.status_code == 503


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1767225600", BASE),
        ("1767225600.5", BASE + SECOND // 2),
        ("1767225600000000001", BASE + 1),
        ("2026-01-01T00:00:00Z", BASE),
        ("2026-01-01T01:00:00.000000001+01:00", BASE + 1),
        ("0", 0),
        ("17672256000", 17672256000),
    ],
)
def test_times(text: str, ns: int) -> None:
    assert parse_time(text, "start") == ns


@pytest.mark.parametrize("text", ["", "x", "-1", "1e400", "nan", "2026-13-01T00:00:00Z", "9" * 20])
def test_bad_times_name_the_parameter(text: str) -> None:
    with pytest.raises(QueryError, match="start"):
        parse_time(text, "start")


def test_spans_and_the_default_step() -> None:
    assert parse_span("15000ms", "step") == parse_span("15", "step") == parse_span("15s", "step")
    assert parse_span("0.5", "step") == SECOND // 2
    assert default_step(0, 3600 * SECOND) == 14 * SECOND
    assert default_step(0, 1) == SECOND
    for bad in ("0", "-1", "x", "", "1e9999", "inf", "99y"):
        with pytest.raises(QueryError, match="step"):
            parse_span(bad, "step")
