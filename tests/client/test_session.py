"""What `tailrace.connect` needs, and how it reads times and follows."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

import tailrace
from tailrace.client import QueryError, StoreError, api
from tailrace.client.times import moment, span_ns, time_ns

SECOND = 1_000_000_000
BASE = 1_767_225_600 * SECOND


def imported(code: str) -> set[str]:
    program = f"import sys\n{code}\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_the_package_alone_imports_nothing_and_the_client_only_the_base() -> None:
    assert {m for m in imported("import tailrace") if m.startswith("tailrace")} == {"tailrace"}
    found = imported("import tailrace; tailrace.connect('http://127.0.0.1:1')")
    heavy = {"pyarrow", "pandas", "polars", "numpy", "starlette", "chdb", "websockets", "sqlglot"}
    assert not found & heavy
    rooms = {name.split(".")[1] for name in found if name.startswith("tailrace.")}
    assert rooms == {"client", "core"}


def test_an_unknown_name_of_the_package_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        tailrace.nothing  # noqa: B018


@pytest.mark.parametrize(
    ("value", "ns"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), BASE),
        (datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))), BASE),
        (datetime(2026, 1, 1, microsecond=1, tzinfo=UTC), BASE + 1000),
        ("2026-01-01T00:00:00Z", BASE),
        ("2026-01-01", BASE),
        ("2026-01-01 01:00+01:00", BASE),
        (1_767_225_600, BASE),
        (1_767_225_600.5, BASE + SECOND // 2),
    ],
)
def test_times(value: Any, ns: int) -> None:
    assert time_ns(value) == ns
    assert time_ns(moment(ns)) == ns


def test_spans() -> None:
    assert span_ns("15m") == span_ns(timedelta(minutes=15)) == span_ns(900) == 900 * SECOND
    for bad in ("soon", 0, -1, timedelta(0), 1e99):
        with pytest.raises(QueryError):
            span_ns(bad)  # type: ignore[arg-type]
    with pytest.raises(QueryError, match="ISO 8601"):
        time_ns("yesterday")


def test_a_range_is_an_hour_until_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    client = tailrace.connect("http://x", clock=lambda: BASE)
    asked: list[tuple[int, int]] = []

    def metric(url: str, text: str, start: int, end: int, *rest: Any) -> list[Any]:
        asked.append((start, end))
        return []

    monkeypatch.setattr(api, "metric", metric)
    query = 'count_over_time({a="b"}[1m])'
    client.logs(query)
    client.logs(query, since="10s")
    client.logs(query, start="2025-12-31", end=datetime(2025, 12, 31, 1, tzinfo=UTC))
    day = BASE - 86_400 * SECOND
    assert asked == [
        (BASE - 3600 * SECOND, BASE),
        (BASE - 10 * SECOND, BASE),
        (day, day + 3600 * SECOND),
    ]
    with pytest.raises(QueryError, match="both"):
        client.logs(query, start=0, since="1h")
    with pytest.raises(QueryError, match="before"):
        client.logs(query, start=5, end=1)
    with pytest.raises(QueryError, match="QUERY_STEPS"):
        client.metrics("up", since="30d", step="1s")
    with pytest.raises(QueryError, match="trace id"):
        client.trace("../x")


def test_what_is_to_be_exact_is_asked_of_the_archive(monkeypatch: pytest.MonkeyPatch) -> None:
    client = tailrace.connect("http://x", clock=lambda: BASE)
    asked: list[dict[str, Any]] = []

    def post(url: str, path: str, form: dict[str, Any], *rest: Any) -> Any:
        asked.append(form)
        return {"data": {"result": []}}

    monkeypatch.setattr(api, "_post", post)
    for query in ('{a="b"}', 'count_over_time({a="b"}[1m])'):
        client.logs(query)
        client.logs(query, exact=True)
    assert [form.get("exact") for form in asked] == [None, "archive"] * 2


def test_who_cannot_be_asked_is_named() -> None:
    client = tailrace.connect("http://127.0.0.1:1")
    for ask in (client.logs, client.sql, client.metrics):
        with pytest.raises(StoreError, match=r"127\.0\.0\.1:1"):
            ask("up")
    with pytest.raises(StoreError, match="http://"):
        tailrace.connect("ftp://x").sql("SELECT 1")
    with pytest.raises(StoreError, match="cannot follow"):
        next(client.follow("x"))
