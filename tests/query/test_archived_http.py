"""The HTTP APIs over hot store and archive: every answer is as before, and says what it is from."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from tailrace.cli import main
from tailrace.client.server import Server
from tailrace.core.frame import Signal
from tailrace.query.jaeger import routes as jaeger_routes
from tailrace.query.loki.http import routes as loki_routes
from tailrace.query.prometheus import routes as prometheus_routes
from tailrace.query.sql.http import routes as sql_routes
from tailrace.wire.spans import Span

from .archiving import BASE, BASE_S, SECOND, Archiving

ALL = '{service_name=~".+"}'
NOTES = "x-tailrace-notes"
TRACE = "0a" * 16
RANGE = {"start": str(BASE), "end": str(BASE + 3599 * SECOND)}
SEARCH = {"start": str(BASE_S * 10**6), "end": str((BASE_S + 3599) * 10**6)}
LOKI = "/loki/api/v1/"
# Every way to ask for what is in the range.
ASKED: list[tuple[str, dict[str, str]]] = [
    (LOKI + "query_range", {"query": ALL, **RANGE}),
    (LOKI + "query_range", {"query": f"sum by (level)(rate({ALL}[1m]))", "step": "60", **RANGE}),
    (LOKI + "query", {"query": f"sum(count_over_time({ALL}[1h]))", "time": RANGE["end"]}),
    (LOKI + "labels", RANGE),
    (LOKI + "label/service_name/values", RANGE),
    (LOKI + "label/zone/values", {"query": '{zone="a"}', **RANGE}),
    (LOKI + "series", {"match[]": ALL, **RANGE}),
    (LOKI + "index/stats", {"query": ALL, **RANGE}),
    (LOKI + "index/volume", {"query": ALL, **RANGE}),
    (LOKI + "index/volume_range", {"query": ALL, "step": "60", **RANGE}),
    (LOKI + "detected_labels", {"query": ALL, **RANGE}),
    (LOKI + "detected_fields", {"query": ALL, **RANGE}),
    (LOKI + "detected_field/user/values", {"query": ALL, **RANGE}),
    (LOKI + "patterns", {"query": ALL, "step": "60", **RANGE}),
    (
        "/api/v1/query_range",
        {
            "query": "sum by (cpu)(rate(cpu_seconds[5m]))",
            "step": "60",
            "start": str(BASE_S),
            "end": str(BASE_S + 3599),
        },
    ),
    ("/api/v1/query", {"query": "max_over_time(cpu_seconds[1h])", "time": str(BASE_S + 3599)}),
    ("/api/services", SEARCH),
    ("/api/services/web/operations", SEARCH),
    ("/api/operations", {"service": "web", **SEARCH}),
    ("/api/traces", {"service": "web", **SEARCH}),
    (f"/api/traces/{TRACE}", SEARCH),
    (f"/api/v1/traces/{TRACE}/logs", SEARCH),
    ("/api/dependencies", {"endTs": str((BASE_S + 3599) * 1000), "lookback": "3599000"}),
]


Before = dict[tuple[str, str], httpx.Response]


def key(path: str, params: dict[str, str]) -> tuple[str, str]:
    return path, params.get("query", "")


def ask(store: Archiving, tenant: str, path: str, params: dict[str, str]) -> httpx.Response:
    service = store.service
    app = Starlette(
        routes=[
            *loki_routes(store.logs, lambda _: tenant), *jaeger_routes(service, lambda _: tenant),
            *prometheus_routes(service, lambda _: tenant), *sql_routes(service, lambda _: tenant),
        ]
    )  # fmt: skip

    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get(path, params=params)

    return asyncio.run(run())


@pytest.fixture(scope="module")
def store(engine: Any, tmp_path_factory: pytest.TempPathFactory) -> Archiving:
    return Archiving(engine, tmp_path_factory.mktemp("archived"))


def filled(store: Archiving) -> str:
    """A tenant with lines and spans of an hour; the trace begins before the middle and ends after
    it."""
    name: str = store.engine.tenant()
    store.engine.load(name, [
        {
            "ns": BASE + minute * 60 * SECOND, "body": f"user=u{minute % 7} GET /cart",
            "trace": TRACE if minute in (29, 31) else "", "resource": {"zone": "ab"[minute % 2]},
            "severity": 9 + minute % 3 * 4, "service": ["web", "cart"][minute % 2],
        }
        for minute in range(60)
    ])  # fmt: skip
    half = BASE + 1800 * SECOND
    store.engine.load_spans(name, [
        Span(half - SECOND, "GET /cart", TRACE, "a1", 3 * SECOND, service="web"),
        Span(half + SECOND, "charge", TRACE, "b2", SECOND, "a1", service="cart"),
        Span(half - 600 * SECOND, "GET /old", "0b" * 16, "c3", 5, service="web"),
        Span(half + 600 * SECOND, "GET /new", "0c" * 16, "d4", 5, service="web"),
    ])  # fmt: skip
    store.engine.load_samples(name, [
        ("cpu.seconds", {"cpu": str(cpu)}, [(15 * i, i * (cpu + 1)) for i in range(240)])
        for cpu in range(2)
    ], "counter")  # fmt: skip
    for signal in Signal:
        store.archived(name, signal)
    return name


@pytest.fixture(scope="module")
def whole(store: Archiving) -> str:
    return filled(store)


@pytest.fixture(scope="module")
def before(store: Archiving, whole: str) -> Before:
    """The answers to all that is asked, while nothing was dropped."""
    return {key(path, params): ask(store, whole, path, params) for path, params in ASKED}


@pytest.fixture(scope="module")
def tenant(store: Archiving, whole: str, before: Before) -> str:
    """Whose older half hour has left the hot store."""
    store.dropped(BASE + 1800 * SECOND, whole)
    return whole


def plain(answer: httpx.Response) -> Any:
    """The answer without the seconds that it took and what is told beside it."""
    found = answer.json()
    if isinstance(found.get("data"), dict):
        found["data"].pop("stats", None)
    for words in ("warnings", "infos"):
        found.pop(words, None)
    return found


@pytest.mark.parametrize(("path", "params"), ASKED, ids=[path for path, _ in ASKED])
def test_an_answer_over_the_horizon_is_that_of_before_the_drop(
    store: Archiving, tenant: str, before: Before, path: str, params: dict[str, str]
) -> None:
    answer = before[key(path, params)]
    assert answer.status_code == 200
    assert NOTES not in answer.headers
    # Without what the other tests have made it remember.
    fresh = Archiving(store.engine, store.folder)
    after = ask(fresh, tenant, path, params)
    assert plain(after) == plain(answer)
    words = "answered from the archive before 2026-01-01T00:30:00Z (1 file)"
    assert '"result":[]' not in answer.text
    assert words in after.headers[NOTES]
    exact = ask(fresh, tenant, path, {**params, "exact": "archive"})
    assert plain(exact) == plain(answer)
    assert exact.headers[NOTES].startswith("exact: from the archive")


@pytest.mark.parametrize(("path", "params"), ASKED, ids=[path for path, _ in ASKED])
def test_nobody_hears_of_what_another_tenant_stored(
    store: Archiving, tenant: str, path: str, params: dict[str, str]
) -> None:
    other = store.engine.tenant()
    for more in ({}, {"exact": "archive"}):
        answer = ask(store, other, path, {**params, **more})
        assert answer.status_code in (200, 404)
        for mark in ("GET /", "user=u", '"zone"', "charge", '"cpu"', "cart"):
            assert mark not in answer.text, mark


@pytest.mark.parametrize(
    "path", [*dict.fromkeys(path for path, _ in ASKED), "/api/v1/query", "/api/v1/labels"]
)
@pytest.mark.parametrize("value", ["true", "hot", "archive "])
def test_another_value_of_exact_is_refused(store: Archiving, path: str, value: str) -> None:
    answer = ask(store, "nobody", path, {"query": ALL, "exact": value})
    assert answer.status_code == 400
    assert f"exact='{value}' is not 'archive'" in answer.text.replace('\\"', '"')


def test_a_trace_without_a_time_is_looked_for_in_the_hot_store_and_is_whole(
    store: Archiving, tenant: str
) -> None:
    [found] = ask(store, tenant, f"/api/traces/{TRACE}", {}).json()["data"]
    assert {span["operationName"] for span in found["spans"]} == {"GET /cart", "charge"}
    old = f"/api/traces/{'0b' * 16}"
    assert ask(store, tenant, old, {}).status_code == 404
    assert ask(store, tenant, old, SEARCH).status_code == 200
    assert ask(store, tenant, old, {"exact": "archive"}).status_code == 200


def test_lists_without_a_range_are_of_the_hot_store(store: Archiving, tenant: str) -> None:
    path = "/api/services/web/operations"
    assert ask(store, tenant, path, {}).json()["data"] == ["GET /new"]
    assert ask(store, tenant, path, SEARCH).json()["data"] == ["GET /cart", "GET /new", "GET /old"]


def test_too_much_of_the_archive_is_a_400_that_says_how_much(
    store: Archiving, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tailrace.core.limits.ARCHIVE_QUERY_FILES", 0)
    fresh = Archiving(store.engine, store.folder)
    for path, params in ASKED:
        answer = ask(fresh, tenant, path, params)
        assert answer.status_code == 400, path
        assert "1 files of the archive" in answer.text
        assert "narrow the time range" in answer.text


def test_sql_reads_both_and_cannot_name_a_file(store: Archiving, tenant: str) -> None:
    asked = {"query": "SELECT count() AS n FROM logs", "format": "json", **RANGE}
    whole = ask(store, tenant, "/api/sql", asked)
    assert whole.json()["data"] == [{"n": 60}]
    assert whole.headers[NOTES].startswith("answered from the archive before")
    exact = ask(store, tenant, "/api/sql", {**asked, "exact": "archive"})
    assert exact.json()["data"] == [{"n": 60}]
    assert exact.headers[NOTES].startswith("exact: from the archive")
    fresh = {**asked, "start": str(BASE + 1800 * SECOND)}
    assert NOTES not in ask(store, tenant, "/api/sql", fresh).headers
    constant = {**asked, "query": "SELECT 1 AS n"}
    assert NOTES not in ask(store, tenant, "/api/sql", constant).headers
    other = ask(store, store.engine.tenant(), "/api/sql", asked)
    assert other.json()["data"] == [{"n": 0}]
    [path] = (store.folder / "archive" / f"tenant={tenant}").rglob("*.parquet")
    asked["query"] = f"SELECT count() FROM file('{path}', Parquet)"
    refused = ask(store, tenant, "/api/sql", asked)
    assert refused.status_code == 400
    assert "table functions are not allowed" in refused.text


def test_the_command_asks_the_archive_and_says_what_is_noted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def submitted(server: Server, path: str, form: dict[str, Any]) -> Any:
        asked.append(form.get("exact", ""))
        answer = io.BytesIO(b'{"data": {"result": []}}')
        answer.headers = {"X-Tailrace-Notes": "from the \x1b archive"}  # type: ignore[attr-defined]
        return answer

    monkeypatch.setattr(Server, "submit", submitted)
    for words in ("x", "sum(rate({a=`b`}[1m]))"):
        for more in ([], ["--exact"]):
            assert main(["query", words, *more]) == 0
    assert asked == ["", "archive", "", "archive"]
    told = capsys.readouterr().err.splitlines()
    assert len([line for line in told if line.startswith("tailrace: from the ")]) == 4
    assert not any("\x1b" in line for line in told)
