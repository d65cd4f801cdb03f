"""Loki's HTTP API over parsed lines, volumes, detected fields and sampled rows."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from tailrace.core.clock import ManualClock
from tailrace.core.frame import Signal
from tailrace.query.logql.parser import parse_metric
from tailrace.query.logs.logs import Logs
from tailrace.query.loki.http import routes
from tailrace.query.matrix.matrix import Matrix
from tailrace.query.plan import Grid
from tailrace.query.service import QueryService

SECOND = 1_000_000_000
BASE = 1_767_225_600 * SECOND
ALL = '{service_name=~".+"}'


class Asker:
    def __init__(self, engine: Any, tenant: str) -> None:
        service = QueryService(engine, clock=ManualClock(BASE + 100 * SECOND))
        self.app = Starlette(routes=routes(Logs(service), lambda connection: tenant))

    def get(self, path: str, **asked: Any) -> httpx.Response:
        async def run() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                headers = asked.pop("headers", {})
                span = {"start": str(BASE), "end": str(BASE + 60 * SECOND)}
                return await client.get(
                    f"/loki/api/v1/{path}", params={**span, **asked}, headers=headers
                )

        return asyncio.run(run())

    def result(self, query: str, **asked: Any) -> list[dict[str, Any]]:
        answer = self.get("query_range", query=query, **asked)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["data"]["result"]
        return found


@pytest.fixture(scope="module")
def asker(engine: Any) -> Asker:
    tenant = engine.tenant()
    engine.load(tenant, [
        {
            "ns": BASE + n * SECOND,
            "body": json.dumps({"status": [200, 500][n % 2], "ms": n, "path": f"/{n % 3}"}),
            "attributes": {"user": f"u{n % 4}"},
            "resource": {"zone": "a"},
        }
        for n in range(30)
    ])  # fmt: skip
    engine.load(tenant, [
        {"ns": BASE + n * SECOND, "service": "sampled", "body": f"took={n}ms", "weight": 20}
        for n in range(30)
    ])  # fmt: skip
    return Asker(engine, tenant)


def test_parsed_labels_stand_apart_from_structured_metadata(asker: Asker) -> None:
    flags = {"X-Loki-Response-Encoding-Flags": "categorize-labels"}
    query = '{service_name="web"} | json | status = 500 | line_format "{{.path}} {{.ms}}"'
    answer = asker.get("query_range", query=query, limit=1, headers=flags).json()["data"]
    assert answer["encodingFlags"] == ["categorize-labels"]
    [stream] = answer["result"]
    assert stream["stream"] == {
        "host_name": "h1", "level": "info", "service_name": "web", "zone": "a"
    }  # fmt: skip
    [[time, line, more]] = stream["values"]
    assert (time, line) == (str(BASE + 29 * SECOND), "/2 29")
    assert more["parsed"] == {"status": "500", "ms": "29", "path": "/2"}
    assert more["structuredMetadata"] == {"detected_level": "info", "user": "u1"}


def test_a_metric_query_over_parsed_numbers(asker: Asker) -> None:
    query = 'max by (path) (max_over_time({service_name="web"} | json | unwrap ms [1m]))'
    [one, *_] = asker.result(query, start=BASE + 60 * SECOND, step="60s")
    assert one["metric"] == {"path": "/0"}
    assert one["values"] == [[1767225660, "27"]]


def test_a_row_with_an_error_fails_a_metric_query_unless_it_is_left_out(asker: Asker) -> None:
    refused = asker.get("query_range", query=f"sum(count_over_time({ALL} | json [1m]))")
    assert refused.status_code == 400
    assert "JSONParserErr" in refused.text and '| __error__=""' in refused.text
    found = asker.result(f'sum(count_over_time({ALL} | json | __error__="" [1m]))', step="60s")
    assert found[0]["values"][-1][1] == "29"


def test_an_estimate_says_how_sure_it_is(asker: Asker) -> None:
    query = 'sum(count_over_time({service_name="sampled"}[1m]))'
    asked = {"query": query, "time": str(BASE + 30 * SECOND), "confidence": "true"}
    answer = asker.get("query", **asked)
    [one] = answer.json()["data"]["result"]
    assert one["value"][1] == "600"
    [[_, low, high]] = one["confidence"]
    half = 1.959963984540054 * (30 * 20 * 19) ** 0.5
    assert float(low) == pytest.approx(600 - half) and float(high) == pytest.approx(600 + half)
    said = answer.headers["x-tailrace-estimate"]
    assert said == f"from sampled rows; confidence=0.95; error={half / 600:.4f}"
    plain = asker.get("query", query=query, time=str(BASE + 30 * SECOND)).json()
    assert "confidence" not in plain["data"]["result"][0]


def test_extremes_of_sampled_rows_are_marked(asker: Asker) -> None:
    query = 'max_over_time({service_name="sampled"} | logfmt | unwrap duration(took) [1m]) by ()'
    answer = asker.get("query", query=query, time=str(BASE + 30 * SECOND))
    assert answer.json()["data"]["result"][0]["value"][1] == "0.029"
    assert "max_over_time of sampled rows" in answer.headers["x-tailrace-notes"]


def test_exact_rows_say_nothing_of_estimates(asker: Asker) -> None:
    answer = asker.get("query", query='count_over_time({service_name="web"}[1m])')
    assert "x-tailrace-estimate" not in answer.headers


def test_volumes_are_bytes_by_label_set(asker: Asker) -> None:
    found = asker.get("index/volume", query=ALL, targetLabels="service_name").json()["data"]
    assert found["resultType"] == "vector"
    names = [one["metric"]["service_name"] for one in found["result"]]
    assert names == ["sampled", "web"]
    assert found["result"][0]["value"][1] == str(20 * sum(len(f"took={n}ms") for n in range(1, 30)))
    by_label = asker.get("index/volume", query=ALL, aggregateBy="labels").json()["data"]["result"]
    assert [one["metric"] for one in by_label] == [{"service_name": ""}]
    steps = asker.get("index/volume_range", query=ALL, step="20s").json()["data"]
    assert steps["resultType"] == "matrix" and len(steps["result"][0]["values"]) == 3


def test_stats_count_rows_and_bytes(asker: Asker) -> None:
    found = asker.get("index/stats", query='{service_name="web"}').json()
    assert found["entries"] == 30 and found["streams"] == 1 and found["bytes"] > 900


def test_labels_and_fields_are_detected(asker: Asker) -> None:
    labels = {
        one["label"]: one["cardinality"]
        for one in asker.get("detected_labels", query=ALL).json()["detectedLabels"]
    }
    assert labels == {"service_name": 2, "host_name": 1, "level": 1, "zone": 1}
    fields = {one["label"]: one for one in asker.get("detected_fields", query=ALL).json()["fields"]}
    assert fields["status"]["type"] == "int" and fields["status"]["parsers"] == ["json"]
    assert fields["took"]["type"] == "duration" and fields["took"]["parsers"] == ["logfmt"]
    assert fields["user"]["cardinality"] == 4 and fields["user"]["parsers"] is None
    values = asker.get("detected_field/status/values", query=ALL).json()
    assert values["values"] == ["200", "500"]


def test_a_query_is_laid_out(asker: Asker) -> None:
    answer = asker.get("format_query", query='sum(rate({a="b"}[1m]))by(x)').json()
    assert answer == {"status": "success", "data": 'sum by (x) (rate({a="b"} [1m]))'}


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ('{a="b"} | line_format "{{.x"', "1:9"),
        ('{a="b"} | pattern "<x><y>"', "1:9"),
        ('sum(rate({a="b"} | regexp "x" [1m]))', "1:18"),
        ("sum(1)", "sum needs a vector"),
        ('{a="b"} | json x="a["', "1:9"),
        ('rate({a="b"}[1m]) + on(x) rate({a="b"}[1m]) and 1', "joins vectors"),
    ],
)
def test_what_is_wrong_is_a_400_that_names_the_place(asker: Asker, query: str, said: str) -> None:
    answer = asker.get("query_range", query=query)
    assert answer.status_code == 400, answer.text
    assert said in answer.text


def test_steps_that_are_finished_are_not_read_again_until_rows_of_their_time_come(
    engine: Any,
) -> None:
    tenant = engine.tenant()
    engine.load(tenant, [{"ns": BASE + n * SECOND, "weight": 20} for n in range(60)])
    service = QueryService(engine, clock=ManualClock(BASE + 100 * SECOND))
    logs = Logs(service)
    query = parse_metric('max(count_over_time({service_name="web"}[10s]))')

    def ask(first: int, steps: int) -> list[float]:
        grid = Grid(BASE + first * SECOND, 10 * SECOND, steps)
        found = asyncio.run(logs.metric(query, tenant, grid))
        assert isinstance(found, Matrix)
        return [float(value) for value in found.values[0]]

    assert ask(10, 4) == [200.0] * 4
    before = len(engine.statements)
    assert ask(10, 4) == [200.0] * 4
    assert len(engine.statements) == before
    assert ask(20, 4) == [200.0] * 4
    engine.load(tenant, [{"ns": BASE + 35 * SECOND}])
    service.steps.changed(tenant, Signal.LOGS, BASE + 35 * SECOND)
    assert ask(20, 4) == [200.0, 200.0, 201.0, 200.0]
