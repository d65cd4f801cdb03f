"""The log lines of a trace, over HTTP and in the tree of `tailrace trace --logs`."""

from __future__ import annotations

from typing import Any

import pytest

from tailrace.core.line import Line
from tailrace.query import terminal
from tailrace.query.traces import tree
from tailrace.wire.spans import Span

from .conftest import BASE_S, SECOND
from .test_jaeger import A, B, ask, data

BASE = BASE_S * SECOND
MS = 1_000_000


@pytest.fixture(scope="module")
def tenant(engine: Any) -> str:
    name: str = engine.tenant()
    engine.load_spans(name, [
        Span(BASE, "GET /cart", A, "a1", 120 * MS, service="web"),
        Span(BASE + 3 * MS, "charge", A, "a2", 80 * MS, "a1", service="cart"),
    ])  # fmt: skip
    engine.load(name, [
        {"ns": BASE + 50 * MS, "trace": A, "span": "a2", "service": "cart",
         "body": "declined\nat 1", "severity": 17, "attributes": {"card": "x"}},
        {"ns": BASE + 1 * MS, "trace": A, "span": "a1", "body": "opened"},
        {"ns": BASE + 90 * MS, "trace": A, "span": "ff", "body": "of a span that is not here"},
        {"ns": BASE + 95 * MS, "trace": A, "body": "\x1b[2Jof none"},
        {"ns": BASE + 7_200 * SECOND, "trace": A, "span": "a1", "body": "two hours later"},
        {"ns": BASE, "trace": B, "span": "b1", "body": "another trace"},
        {"ns": BASE, "body": "no trace"},
    ])  # fmt: skip
    engine.load(engine.tenant(), [{"ns": BASE, "trace": A, "body": "another tenant"}])
    return name


def test_lines_of_a_trace_in_time_order_with_labels(engine: Any, tenant: str) -> None:
    found = data(engine, tenant, f"/api/v1/traces/{A}/logs")
    assert (found["traceID"], found["warnings"]) == (A, None)
    bodies = [line["line"] for line in found["lines"]]
    assert bodies == ["opened", "declined\nat 1", "of a span that is not here", "\x1b[2Jof none"]
    assert found["lines"][1] == {
        "timestamp": str(BASE + 50 * MS),
        "spanID": "a2",
        "line": "declined\nat 1",
        "labels": {
            "card": "x", "detected_level": "error", "host_name": "h1", "level": "error",
            "service_name": "cart", "span_id": "a2", "trace_id": A,
        },
    }  # fmt: skip


def test_lines_without_spans_are_found_and_what_is_unknown_is_not(engine: Any, tenant: str) -> None:
    path = f"/api/v1/traces/{B.upper()}/logs"
    [line] = data(engine, tenant, path)["lines"]
    assert line["line"] == "another trace"
    assert data(engine, tenant, path, start=BASE // 1000, end=BASE // 1000)["lines"] == [line]
    later = BASE + 7_200 * SECOND
    assert ask(engine, tenant, path, start=later // 1000, end=later // 1000).status_code == 404
    assert ask(engine, tenant, f"/api/v1/traces/{'e' * 32}/logs").status_code == 404
    assert ask(engine, engine.tenant(), path).status_code == 404


def test_more_lines_than_asked_for_are_left_out_and_it_says_so(engine: Any, tenant: str) -> None:
    found = data(engine, tenant, f"/api/v1/traces/{A}/logs", limit=2)
    assert [line["spanID"] for line in found["lines"]] == ["a1", "a2"]
    assert found["warnings"] == ["more than 2 lines: later ones are left out; ask with limit"]


@pytest.mark.parametrize("wrong", [{"limit": "0"}, {"limit": "5001"}, {"start": "x"}])
def test_a_wrong_question_is_refused(engine: Any, tenant: str, wrong: dict[str, str]) -> None:
    assert ask(engine, tenant, f"/api/v1/traces/{A}/logs", **wrong).status_code == 400
    assert ask(engine, tenant, "/api/v1/traces/xyz/logs").status_code == 400


def test_lines_stand_beneath_their_spans(engine: Any, tenant: str) -> None:
    [trace] = data(engine, tenant, f"/api/traces/{A}")
    logs = data(engine, tenant, f"/api/v1/traces/{A}/logs")
    assert "".join(tree.render(trace, logs["lines"], ["cut"])) == (
        f"trace {A}: 2 spans, 2 services, 120.0ms from 2026-01-01T00:00:00.000Z\n"
        "   offset  duration\n"
        "        0   120.0ms         web: GET /cart\n"
        "    1.0ms            INFO     | opened\n"
        "    3.0ms    80.0ms           cart: charge\n"
        "   50.0ms            ERROR      | declined\n"
        "                                | at 1\n"
        "   90.0ms            INFO   | of a span that is not here\n"
        "   95.0ms            INFO   | \\x1b[2Jof none\n"
        "cut\n"
    )


def test_a_line_before_its_trace_has_a_negative_offset(engine: Any, tenant: str) -> None:
    [trace] = data(engine, tenant, f"/api/traces/{A}")
    line = {"timestamp": str(BASE - 2 * MS), "spanID": "a1", "labels": {}, "line": "early"}
    shown = list(tree.render(trace, [line]))
    assert "   -2.0ms                     | early\n" in shown


def test_query_shows_the_trace_of_each_line() -> None:
    lines = [
        Line(BASE, {"service_name": "web", "trace_id": A}, "x"),
        Line(BASE, {"service_name": "web"}, "y"),
    ]
    assert list(terminal.render(lines, "text", traced=True)) == [
        f"2026-01-01T00:00:00.000Z       web {A} x\n",
        "2026-01-01T00:00:00.000Z       web - y\n",
    ]
