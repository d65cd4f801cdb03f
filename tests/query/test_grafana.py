"""The data sources of docs/grafana.md, against the routes that they would ask."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from starlette.applications import Starlette

from tailrace.core.clock import ManualClock
from tailrace.query.jaeger import routes as jaeger_routes
from tailrace.query.logs.logs import Logs
from tailrace.query.loki.http import routes
from tailrace.query.prometheus import routes as prometheus_routes
from tailrace.query.service import QueryService
from tailrace.wire.samples import Exemplar, Sample
from tailrace.wire.spans import Span

from .conftest import BASE_S, SECOND

BASE = BASE_S * SECOND
NOW = BASE + 600 * SECOND
TRACE = "0a" * 16
PAGE = Path(__file__).resolve().parents[2] / "docs" / "grafana.md"


def provisioned() -> dict[str, Any]:
    """The data sources by type, as Grafana reads them: `$$` is one dollar sign."""
    [first, *_] = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    found = yaml.safe_load(first.replace("$$", "$"))
    assert found["apiVersion"] == 1
    return {one["type"]: one for one in found["datasources"]}


SOURCES = provisioned()


@pytest.fixture(scope="module")
def tenant(engine: Any) -> str:
    name: str = engine.tenant()
    engine.load_spans(name, [
        Span(BASE, "GET /cart", TRACE, "a1", 9_000, kind="server", service="web"),
        Span(BASE, "charge", TRACE, "b2", 1_000, "a1", service="cart"),
    ])  # fmt: skip
    engine.load(name, [{"ns": BASE, "trace": TRACE, "span": "a1", "body": "opened"}, {"ns": BASE}])
    engine.load_exemplars(name, [
        Sample(BASE, "latency", 1, exemplars=[Exemplar(BASE, 0.5, TRACE, "a1")])
    ])  # fmt: skip
    return name


def get(engine: Any, tenant: str, path: str, **asked: Any) -> Any:
    service = QueryService(engine, None, ManualClock(NOW))

    def identify(connection: Any) -> str:
        return tenant

    app = Starlette(routes=[
        *routes(Logs(service), identify), *prometheus_routes(service, identify),
        *jaeger_routes(service, identify),
    ])  # fmt: skip

    async def run() -> Any:
        transport = httpx.ASGITransport(app=app)
        headers = {"X-Loki-Response-Encoding-Flags": "categorize-labels"}
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            answer = await client.get(path, params=asked or None, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    return asyncio.run(run())


def test_each_link_leads_to_a_data_source_that_is_there() -> None:
    assert set(SOURCES) == {"loki", "prometheus", "jaeger"}
    uids = {one["uid"] for one in SOURCES.values()}
    named = re.findall(r"datasourceUid: (\S+)", PAGE.read_text())
    assert len(named) == 3 and set(named) <= uids
    assert len({one["url"] for one in SOURCES.values()}) == 1


def test_a_log_line_leads_to_its_trace(engine: Any, tenant: str) -> None:
    [field] = SOURCES["loki"]["jsonData"]["derivedFields"]
    assert (field["matcherType"], field["url"]) == ("label", "${__value.raw}")
    streams = get(engine, tenant, "/loki/api/v1/query_range", query='{service_name="web"}')
    lines = [line for one in streams["result"] for line in one["values"]]
    # Grafana takes structured metadata for labels.
    ids = [line[2]["structuredMetadata"].get(field["matcherRegex"]) for line in lines]
    assert sorted(filter(None, ids)) == [TRACE]
    # As Grafana asks with traceIdTimeParams.
    times = {"start": BASE // 1000, "end": NOW // 1000}
    [trace] = get(engine, tenant, f"/api/traces/{TRACE}", **times)
    assert trace["traceID"] == TRACE


def test_an_exemplar_leads_to_its_trace(engine: Any, tenant: str) -> None:
    [target] = SOURCES["prometheus"]["jsonData"]["exemplarTraceIdDestinations"]
    [series] = get(engine, tenant, "/api/v1/query_exemplars", query="latency")
    assert [one["labels"][target["name"]] for one in series["exemplars"]] == [TRACE]


@pytest.mark.parametrize(
    "query",
    [
        SOURCES["jaeger"]["jsonData"]["tracesToLogsV2"]["query"],
        *re.findall(r"^    (\{trace_id.*\})$", PAGE.read_text().replace("$$", "$"), re.MULTILINE),
    ],
)
def test_a_span_leads_to_its_log_lines(engine: Any, tenant: str, query: str) -> None:
    [found] = get(engine, tenant, "/api/traces", service="web")
    span = found["spans"][0]
    asked = query.replace("${__trace.traceId}", found["traceID"])
    asked = asked.replace("${__span.spanId}", span["spanID"])
    assert "$" not in asked
    # spanStartTimeShift and spanEndTimeShift are an hour.
    start = span["startTime"] * 1000 - 3_600 * SECOND
    end = (span["startTime"] + span["duration"]) * 1000 + 3_600 * SECOND
    streams = get(engine, tenant, "/loki/api/v1/query_range", query=asked, start=start, end=end)
    assert [line[1] for one in streams["result"] for line in one["values"]] == ["opened"]


def test_what_the_jaeger_data_source_asks_is_answered_in_its_types(
    engine: Any, tenant: str
) -> None:
    """The health check and the fields of the query editor."""
    assert get(engine, tenant, "/api/services") == ["cart", "web"]
    assert get(engine, tenant, "/api/services/web/operations") == ["GET /cart"]
    asked = {
        "service": "web", "operation": "GET /cart", "limit": 20, "tags": '{"span.kind":"server"}',
        "minDuration": "1us", "maxDuration": "5s", "start": BASE // 1000, "end": NOW // 1000,
        "lookback": "custom",
    }  # fmt: skip
    [trace] = get(engine, tenant, "/api/traces", **asked)
    for span in trace["spans"]:
        assert span["processID"] in trace["processes"]
        numbers = (span["startTime"], span["duration"], span["flags"])
        assert all(isinstance(number, int) for number in numbers)
        assert all(set(tag) == {"key", "type", "value"} for tag in span["tags"])
    [link] = get(engine, tenant, "/api/dependencies", endTs=NOW // 10**6, lookback=600_000)
    assert link == {"parent": "web", "child": "cart", "callCount": 1}
