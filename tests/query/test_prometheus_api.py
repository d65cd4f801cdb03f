"""The Prometheus routes answer in the shapes that its clients read."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from tests.examples import examples

from tailrace.core import limits
from tailrace.core.clock import ManualClock
from tailrace.core.errors import StoreError
from tailrace.core.metrics import Metrics
from tailrace.query.bounds.allowance import Allowance, Policy
from tailrace.query.prometheus import routes
from tailrace.query.service import QueryService
from tailrace.wire.samples import Exemplar, Sample

from .conftest import BASE_S, SECOND

SHORT = Policy(Allowance(timeout_s=5))
NOW_S = BASE_S + 60
CPU = {"__name__": "system_cpu", "cpu": "0", "host_name": "h"}


def ask(
    engine: Any, tenant: str, path: str, method: str = "GET", metrics: Metrics | None = None,
    policy: Policy = SHORT, **options: Any,
) -> httpx.Response:  # fmt: skip
    service = QueryService(engine, metrics, ManualClock(NOW_S * SECOND), policy=policy)
    app = Starlette(routes=routes(service, lambda connection: tenant))

    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, f"/api/v1/{path}", **options)

    return asyncio.run(run())


@pytest.fixture
def tenant(engine: Any) -> str:
    name: str = engine.tenant()
    points = [(t, t / 10) for t in range(0, 70, 10)]
    cpu = ("system.cpu", {"cpu": "0", "host.name": "h"}, points)
    engine.load_samples(name, [cpu], "counter", "s")
    engine.load_samples(name, [("up", {"job": "a"}, [(60, 1)]), ("up", {"job": "b"}, [(0, "nan")])])
    return name


def test_an_instant_query_gives_a_vector_at_its_time(engine: Any, tenant: str) -> None:
    answer = ask(engine, tenant, "query", params={"query": 'system_cpu{cpu="0"}'})
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "status": "success",
        "data": {"resultType": "vector", "result": [{"metric": CPU, "value": [NOW_S, "6"]}]},
    }
    params = {"query": 'system_cpu{cpu="0"}', "time": f"{BASE_S}.5004"}
    data = ask(engine, tenant, "query", params=params).json()["data"]
    assert data["result"] == [{"metric": CPU, "value": [BASE_S + 0.5, "0"]}]


def test_a_range_query_gives_a_matrix_without_gaps_filled(engine: Any, tenant: str) -> None:
    form = {"query": "up", "start": f"{BASE_S - 10}", "end": "2026-01-01T00:01:00Z", "step": "30s"}
    data = ask(engine, tenant, "query_range", "POST", data=form).json()["data"]
    values = [[BASE_S + 20, "NaN"], [BASE_S + 50, "NaN"]]
    result = [{"metric": {"__name__": "up", "job": "b"}, "values": values}]
    assert data == {"resultType": "matrix", "result": result}


def test_a_rate_is_asked_for_with_a_step_in_seconds(engine: Any, tenant: str) -> None:
    params = {"query": "sum by (cpu) (rate(system_cpu[30s]))", "step": "20",
              "start": f"{BASE_S + 20}", "end": f"{BASE_S + 60}"}  # fmt: skip
    data = ask(engine, tenant, "query_range", params=params).json()["data"]
    [one] = data["result"]
    assert one["metric"] == {"cpu": "0"}
    assert [time for time, _ in one["values"]] == [BASE_S + 20, BASE_S + 40, BASE_S + 60]
    assert [float(value) for _, value in one["values"]][1:] == pytest.approx([0.1, 0.1])


def test_grafanas_health_check(engine: Any, tenant: str) -> None:
    data = ask(engine, tenant, "query", "POST", data={"query": "1+1", "time": "4"}).json()["data"]
    assert data == {"resultType": "scalar", "result": [4, "2"]}
    params = {"query": "1+1", "start": "0", "end": "1", "step": "1"}
    data = ask(engine, tenant, "query_range", params=params).json()["data"]
    assert data["result"] == [{"metric": {}, "values": [[0, "2"], [1, "2"]]}]


def test_every_kind_of_value_at_one_time(engine: Any, tenant: str) -> None:
    def data(query: str, **params: Any) -> Any:
        answer = ask(engine, tenant, "query", params={"query": query, "time": NOW_S, **params})
        return answer.json()["data"]

    assert data("'a\\n'") == {"resultType": "string", "result": [NOW_S, "a\n"]}
    assert data("1 / 0") == {"resultType": "scalar", "result": [NOW_S, "+Inf"]}
    pairs = [[NOW_S - 10, "5"], [NOW_S, "6"]]
    matrix = {"resultType": "matrix", "result": [{"metric": CPU, "values": pairs}]}
    assert data("system_cpu[20s]") == matrix
    assert data("system_cpu[20s:10s]") == matrix
    assert data("system_cpu[20s] @ 0")["result"] == []
    assert data("vector(1)")["result"] == [{"metric": {}, "value": [NOW_S, "1"]}]
    # By their values; by their labels the one without any would be first.
    up = "label_replace(up{job='a'}, 'job', 'c', '', '') or up{job='b'} * 0 or vector(0.5)"
    for query in ("sort_desc(PLACE)", "topk(3, PLACE)"):
        found = data(query.replace("PLACE", up))["result"]
        assert [one["metric"].get("job", "") for one in found] == ["c", "", "b"]
    assert data("up", lookback_delta="10s")["result"] == [
        {"metric": {"__name__": "up", "job": "a"}, "value": [NOW_S, "1"]}
    ]


def test_more_than_the_limit_is_cut_with_a_warning(engine: Any, tenant: str) -> None:
    body = ask(engine, tenant, "query", params={"query": "up", "limit": "1"}).json()
    assert len(body["data"]["result"]) == 1
    assert body["warnings"] == ["results truncated due to limit"]
    form = {"query": "up", "start": NOW_S, "end": NOW_S, "step": 1, "limit": 1}
    body = ask(engine, tenant, "query_range", "POST", data=form).json()
    assert len(body["data"]["result"]) == 1 and "warnings" in body
    body = ask(engine, tenant, "label/job/values", params={"limit": "1"}).json()
    assert body == {"status": "success", "data": ["a"],
                    "warnings": ["results truncated due to limit"]}  # fmt: skip
    assert "warnings" not in ask(engine, tenant, "query", params={"query": "up", "limit": 2}).json()


def test_what_was_mended_is_said(engine: Any) -> None:
    name = engine.tenant()
    engine.load_samples(name, [("h", {"le": le}, [(60, count)])
                               for le, count in (("1", 5), ("2", 4), ("+Inf", 8))])  # fmt: skip
    answer = ask(engine, name, "query", params={"query": "histogram_quantile(0.5, h)"})
    [one] = answer.json()["data"]["result"]
    assert one["value"] == [NOW_S, "0.8"]
    [info] = answer.json()["infos"]
    assert "less than a smaller one" in info
    assert answer.headers["x-tailrace-notes"] == info


def test_what_describes_the_server(engine: Any) -> None:
    def data(path: str, **params: Any) -> Any:
        return ask(engine, "none", path, params=params).json()["data"]

    assert data("status/buildinfo")["version"].startswith("3.")
    assert data("format_query", query="sum(up)by(job)") == "sum by (job) (up)"


def test_a_query_takes_no_longer_than_it_asked(engine: Any, tenant: str) -> None:
    params = {"query": "up", "timeout": "0.000001"}
    answer = ask(engine, tenant, "query", params=params)
    assert (answer.status_code, answer.json()["errorType"]) == (503, "timeout")
    assert "timeout of 0.000001" in answer.json()["error"]


def test_exemplars_of_a_series_with_the_traces_behind_them(engine: Any) -> None:
    name = engine.tenant()
    slow = Exemplar(BASE_S * SECOND - 500_000_000, 0.75, "a1" * 16, "b2" * 8, {"user": "u1"})
    again = Exemplar(BASE_S * SECOND + 1_250_000_000, 2.5, "c3" * 16)
    sent = [
        # What is reported again and again until there is another one is one exemplar.
        Sample((BASE_S + second) * SECOND, "latency.bucket", second, "counter", "",
               {"le": "+Inf", "host.name": "h"}, exemplars)
        for second, exemplars in ((0, [slow]), (30, [slow, again]), (60, []))
    ]  # fmt: skip
    engine.load_exemplars(name, sent)
    engine.load_exemplars(engine.tenant(), sent)

    def data(**params: Any) -> Any:
        answer = ask(engine, name, "query_exemplars", params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    labels = {"__name__": "latency_bucket", "le": "+Inf", "host_name": "h"}
    first = {"labels": {"trace_id": "a1" * 16, "span_id": "b2" * 8, "user": "u1"},
             "value": "0.75", "timestamp": BASE_S - 0.5}  # fmt: skip
    second = {"labels": {"trace_id": "c3" * 16}, "value": "2.5", "timestamp": BASE_S + 1.25}
    assert data(query="latency_bucket") == [{"seriesLabels": labels, "exemplars": [first, second]}]
    rate = 'sum by (le) (rate(latency_bucket{le="+Inf"}[5m]))'
    assert data(query=rate, start=BASE_S - 10, end=BASE_S - 0.1) == [
        {"seriesLabels": labels, "exemplars": [first]}
    ]
    assert data(query="latency_bucket", start=BASE_S + 2) == []
    assert data(query='latency_bucket{le="1"}') == data(query="nothing") == data(query="1+1") == []


def test_of_too_many_exemplars_the_newest_are_given(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tailrace.core.limits.QUERY_EXEMPLARS", 2)
    name = engine.tenant()
    exemplars = [Exemplar((BASE_S + n) * SECOND, float(n)) for n in range(5)]
    engine.load_exemplars(name, [Sample(BASE_S * SECOND, "m", 1.0, exemplars=exemplars)])
    [one] = ask(engine, name, "query_exemplars", params={"query": "m"}).json()["data"]
    assert [found["value"] for found in one["exemplars"]] == ["3", "4"]


def test_series_labels_values_and_metadata(engine: Any, tenant: str) -> None:
    def data(path: str, **params: Any) -> Any:
        named = {name.replace("match", "match[]"): value for name, value in params.items()}
        answer = ask(engine, tenant, path, params=named)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    assert data("series", match='{host_name="h"}') == [CPU]
    stored = {"__name__": "system.cpu", "cpu": "0", "host.name": "h"}
    assert data("series", match='{"system.cpu"}') == [stored]
    assert len(data("series", match=["up", "system_cpu"])) == 3
    assert data("labels") == ["__name__", "cpu", "host_name", "job"]
    assert data("labels", match="up") == ["__name__", "job"]
    assert data("label/__name__/values") == ["system_cpu", "up"]
    assert data("label/job/values") == ["a", "b"]
    assert data("label/job/values", limit=1) == ["a"]
    assert data("label/host_name/values") == data("label/host.name/values") == ["h"]
    assert data("label/host.name/values", match="system_cpu") == ["h"]
    assert data("label/nothing/values") == []
    early = {"start": BASE_S - 90_000, "end": BASE_S - 80_000}
    assert data("labels", **early) == data("label/job/values", **early) == []
    assert data("series", match="up", **early) == []
    assert data("metadata") == {
        "system_cpu": [{"type": "counter", "unit": "s", "help": ""}],
        "up": [{"type": "gauge", "unit": "", "help": ""}],
    }
    assert list(data("metadata", metric="system_cpu")) == ["system_cpu"]
    assert list(data("metadata", limit=1)) == ["system_cpu"]


@pytest.mark.parametrize(
    ("path", "params", "says"),
    [
        ("query", {}, "query is missing"),
        ("query", {"query": "up * "}, "expected an expression, found the end at 1:6"),
        ("query", {"query": "up", "timeout": "soon"}, "timeout"),
        ("query", {"query": "up", "lookback_delta": "0"}, "lookback_delta"),
        ("query", {"query": "up", "limit": "-1"}, "limit"),
        ("query", {"query": "up{"}, "1:4"),
        ("query", {"query": "up", "time": "noon"}, "time"),
        ("query", {"query": '{a=~".*"}'}, "empty value"),
        ("query", {"query": 'up{a=~"("}'}, "RE2"),
        ("query_range", {"query": "up", "start": "1", "end": "2"}, "step is missing"),
        ("query_range", {"query": "up", "end": "2", "step": "1"}, "start is missing"),
        ("query_range", {"query": "up", "start": "2", "end": "1", "step": "1"}, "before"),
        ("query_range", {"query": "up", "start": "1", "end": "2", "step": "0"}, "step"),
        ("query_range", {"query": "up", "start": "1", "end": "2", "step": "0.0001"}, "millisecond"),
        ("query_range", {"query": "up", "start": "0", "end": "99999", "step": "1"}, "QUERY_STEPS"),
        ("query_exemplars", {}, "query is missing"),
        ("query_exemplars", {"query": "up * "}, "1:6"),
        ("query_range", {"query": "up[5m]", "start": "1", "end": "2", "step": "1"}, "not a range"),
        ("query_range", {"query": "'a'", "start": "1", "end": "2", "step": "1"}, "not a string"),
        ("format_query", {"query": "sum("}, "1:5"),
        ("query_exemplars", {"query": "up", "start": "noon"}, "start"),
        ("query_exemplars", {"query": "up", "start": "2", "end": "1"}, "before"),
        ("series", {}, "match[]"),
        ("series", {"match[]": ["up"] * (limits.QUERY_FORM_FIELDS + 1)}, "1 to 64 match[]"),
        ("series", {"match[]": "rate(up[5m])"}, "expected a selector"),
        ("labels", {"limit": "many"}, "limit"),
    ],
)  # fmt: skip
def test_a_bad_request_is_bad_data(
    engine: Any, path: str, params: dict[str, Any], says: str
) -> None:
    metrics = Metrics()
    answer = ask(engine, "none", path, metrics=metrics, params=params)
    body = answer.json()
    assert (answer.status_code, body["status"], body["errorType"]) == (400, "error", "bad_data")
    assert says in body["error"] and set(body) == {"status", "errorType", "error"}
    assert metrics.get("tailrace_query_rejected_total", "QueryError") == 1


@pytest.mark.parametrize("path", ["labels", "label/job/values", "metadata"])
def test_a_list_that_is_too_long_is_refused_rather_than_cut(
    engine: Any, tenant: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tailrace.core.limits.QUERY_SERIES_SUMMED", 1)
    answer = ask(engine, tenant, path)
    assert (answer.status_code, answer.json()["errorType"]) == (400, "bad_data")
    assert "QUERY_SERIES_SUMMED" in answer.json()["error"]


PIECES = st.sampled_from([
    "up", "system_cpu", '{"system.cpu"}', "rate(", "sum(", "sum by (cpu) (", "topk(2, ", ")", ")",
    "[1m]", "[2m:30s]", " offset 1m", " @ end()", " + ", " / on (job) group_left ", " and ", "-",
    " > bool ", "1", "1e308", "NaN", "histogram_quantile(0.5, ", "label_replace(", ', "a", "$1"',
    ', "cpu", "(.*)"', "scalar(", "vector(", "absent(", "\x00", "é", '"', "predict_linear(", ", 5",
])  # fmt: skip


@settings(max_examples=examples(50), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(PIECES, max_size=8).map("".join))
def test_no_text_is_more_than_a_bad_request(engine: Any, tenant: str, query: str) -> None:
    at = {"start": BASE_S, "end": NOW_S, "step": 20}
    for path, params in (("query", {}), ("query_range", at), ("format_query", {})):
        answer = ask(engine, tenant, path, params={"query": query, **params})
        assert answer.status_code in (200, 400), (query, answer.text)
        if answer.status_code == 400 and path == "format_query" and query:
            assert re.search(r"\d+:\d+|missing", answer.json()["error"]), (query, answer.text)


class Failing:
    """An engine that raises."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def rows(self, *args: Any, **kwargs: Any) -> list[tuple[Any, ...]]:
        raise self.error


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (StoreError("Code: 159. Timeout exceeded", 159), 503, "timeout"),
        (StoreError("Code: 60. Unknown table", 60), 500, "internal"),
        (StoreError("Code: 241. (total) memory limit exceeded", 241), 503, "unavailable"),
        (StoreError("Code: 241. Query memory limit exceeded", 241), 400, "bad_data"),
    ],
)
def test_an_engine_that_fails_is_named_as_prometheus_would(
    error: Exception, status: int, kind: str
) -> None:
    answer = ask(Failing(error), "none", "query", params={"query": "up"})
    assert (answer.status_code, answer.json()["errorType"]) == (status, kind)


def test_more_queries_than_there_is_room_for_are_told_to_wait(engine: Any) -> None:
    full = Policy(running=0, wait_s=0.01)
    answer = ask(engine, "none", "query", policy=full, params={"query": "up"})
    assert (answer.status_code, answer.json()["errorType"]) == (429, "unavailable")
    assert answer.headers["retry-after"] == "2"
