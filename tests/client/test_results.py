"""Results as rows, as data frames and as a notebook shows them."""

from __future__ import annotations

import io
import json
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from tailrace.client import Lines, Result, Samples, StoreError, Table, Trace, frames
from tailrace.core.line import Line

SECOND = 1_000_000_000
BASE = 1_767_225_600 * SECOND
EVIL = "<script>alert(\"1\")</script>\x1b[2J\u202e & 'x'"
TIME = datetime(2026, 1, 1, tzinfo=UTC)


def lines() -> Lines:
    return Lines([
        Line(BASE + 7, {"service_name": "web", "line": "3"}, "hello"),
        Line(BASE + SECOND, {"service_name": EVIL}, EVIL),
    ])  # fmt: skip


def samples() -> Samples:
    return Samples([
        {"metric": {"__name__": "cpu", "core": "0"},
         "values": [[1767225600, "1"], [1767225601.5, "NaN"]]},
        {"metric": {"core": EVIL, "value": "v"},
         "values": [[1767225600, "1e308"], [1767225601, "-1e308"]]},
    ])  # fmt: skip


def trace() -> Trace:
    span = {
        "spanID": "a1", "operationName": EVIL, "references": [], "startTime": BASE // 1000,
        "duration": 5, "processID": "p1",
        "tags": [{"key": "otel.status_code", "type": "string", "value": "ERROR"},
                 {"key": "http.route", "type": "string", "value": "/"}],
    }  # fmt: skip
    child = {
        **span, "spanID": "b2", "startTime": BASE // 1000 + 1, "tags": [],
        "references": [{"refType": "CHILD_OF", "traceID": "0a", "spanID": "a1"}],
    }  # fmt: skip
    return Trace({"spans": [child, span], "processes": {"p1": {"serviceName": "web", "tags": []}}})


def arrow_bytes(table: Any) -> bytes:
    file = io.BytesIO()
    with pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)
    return file.getvalue()


def of_arrow() -> Table:
    text = pa.string()
    table = pa.table({
        "Timestamp": pa.array([BASE + 1001, None], pa.timestamp("ns", "UTC")),
        "Body": [EVIL, "b"],
        "n": pa.array([1, 2], pa.uint64()),
        "Labels": pa.array([[("a", "b")], []], pa.map_(text, text)),
        "Events.Timestamp": pa.array([[BASE], []], pa.list_(pa.timestamp("ns", "UTC"))),
    })  # fmt: skip
    return Table(arrow_bytes(table), "arrow")


def of_json() -> Table:
    body = {
        "meta": [{"name": "Timestamp", "type": "DateTime64(9, 'UTC')"},
                 {"name": "Body", "type": "String"},
                 {"name": "Labels", "type": "Map(String, String)"}],
        "data": [{"Timestamp": "2026-01-01T00:00:00.000001001Z", "Body": EVIL,
                  "Labels": {"a": "b"}}],
        "rows": 1,
    }  # fmt: skip
    return Table(json.dumps(body).encode(), "json")


ALL = [lines, samples, trace, of_arrow, of_json]


def test_lines_are_rows_and_columns() -> None:
    found = lines()
    assert len(found) == 2
    assert [line.body for line in found] == ["hello", EVIL]
    table = found.arrow()
    assert table.schema.names == ["time", "line", "label_line", "service_name"]
    assert table.column("time").cast(pa.int64()).to_pylist() == [BASE + 7, BASE + SECOND]
    assert table.column("label_line").to_pylist() == ["3", None]


def test_samples_are_rows_and_columns() -> None:
    found = samples()
    assert len(found) == 4
    assert next(iter(found)) == {
        "time": TIME, "value": 1.0, "__name__": "cpu", "core": "0", "label_value": None,
    }  # fmt: skip
    table = found.arrow()
    assert table.column("time").cast(pa.int64()).to_pylist()[1] == BASE + SECOND * 3 // 2
    assert table.column("__name__").to_pylist() == ["cpu", "cpu", None, None]


def test_a_trace_is_its_spans_earliest_first() -> None:
    first, second = trace()
    assert (first["span_id"], first["status"], first["duration_us"]) == ("a1", "error", 5)
    assert first["attributes"] == {"http.route": "/"}
    assert (second["parent_span_id"], second["service"]) == ("a1", "web")
    assert trace().arrow().column("attributes").to_pylist()[0] == [("http.route", "/")]


def test_a_table_of_arrow_has_python_rows_and_keeps_nanoseconds() -> None:
    found = of_arrow()
    assert len(found) == 2
    row, _ = found
    assert row["Timestamp"] == TIME.replace(microsecond=1)
    assert row["Labels"] == {"a": "b"}
    assert row["Events.Timestamp"] == [TIME]
    assert found.arrow().column("Timestamp").cast(pa.int64()).to_pylist()[0] == BASE + 1001


def test_a_table_of_json_has_the_same_rows() -> None:
    [row] = of_json()
    assert row == {"Timestamp": TIME.replace(microsecond=1), "Body": EVIL, "Labels": {"a": "b"}}
    assert of_json().arrow().num_rows == 1
    with pytest.raises(StoreError, match="no table"):
        Table(b"<html>", "json")


@pytest.mark.parametrize("make", ALL)
def test_every_result_becomes_a_frame_of_its_rows(make: Any) -> None:
    found: Result = make()
    assert isinstance(found.polars(), pl.DataFrame)
    assert isinstance(found.pandas(), pd.DataFrame)
    assert len(found.polars()) == len(found.pandas()) == len(found) == found.arrow().num_rows
    assert list(found.pandas().columns) == found.polars().columns == found.columns


@pytest.mark.parametrize("make", ALL)
def test_a_notebook_gets_markup_of_ours_only(make: Any) -> None:
    shown = make()._repr_mimebundle_()
    assert set(shown) == {"text/plain", "text/html"}
    page = shown["text/html"]
    assert "<script" not in page and "\x1b" not in page and "\u202e" not in page
    ET.fromstring(f"<div>{page}</div>")
    assert "\x1b" not in shown["text/plain"]


def test_empty_results_are_results() -> None:
    for empty in (Lines([]), Samples([]), Trace({"spans": [], "processes": {}})):
        assert len(empty) == len(empty.polars()) == len(empty.pandas()) == 0
        assert "<table>" in empty._repr_html_()


def test_many_rows_and_series_are_shown_in_part() -> None:
    many = Lines([Line(BASE, {}, "x" * 1000)] * 100)
    assert "50 more rows" in many._repr_html_()
    series = [{"metric": {"n": str(n)}, "values": [[1, "1"], [2, "2"]]} for n in range(30)]
    shown = Samples(series)._repr_html_()
    assert shown.count("<polyline") == 10
    assert "20 more series" in shown


@pytest.mark.parametrize("name", ["pyarrow", "polars", "pandas"])
def test_without_a_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def without(wanted: str) -> Any:
        if wanted.partition(".")[0] == name:
            raise ImportError(wanted)
        return import_module(wanted)

    monkeypatch.setattr(frames, "import_module", without)
    found = lines()
    method = {"pyarrow": "arrow"}.get(name, name)
    with pytest.raises(StoreError, match=r"tailrace\[frames\]"):
        getattr(found, method)()
    assert len(found) == 2
