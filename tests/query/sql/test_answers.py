"""The route: formats, errors, and what happens when it stops half way."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sql_asking import BASE_S, RANGE, Asker

from tailrace.core import limits
from tailrace.core.errors import Busy, StoreError
from tailrace.query.bounds.allowance import Allowance
from tailrace.query.sql import service as sql_service

QUERY = "SELECT Body, Weight, LogAttributes FROM logs ORDER BY Timestamp"
PLAIN = {"Content-Type": "text/plain"}
BODIES = ["one", "two", "three", '{"code": 404, "path": "/a"}', "it's 5 ms", "x=1"]


def test_json_has_columns_and_rows(asker: Asker) -> None:
    answer = asker.ask(QUERY)
    assert answer.headers["content-type"] == "application/json"
    found = answer.json()
    assert [one["name"] for one in found["meta"]] == ["Body", "Weight", "LogAttributes"]
    assert [row["Body"] for row in found["data"]] == BODIES
    assert found["rows"] == 6


def test_json_of_no_rows_is_json(asker: Asker) -> None:
    assert asker.ask("SELECT Body FROM logs WHERE 0").json() == {
        "meta": [{"name": "Body", "type": "String"}], "data": [], "rows": 0,
    }  # fmt: skip


def test_ndjson_has_a_row_a_line(asker: Asker) -> None:
    answer = asker.ask(QUERY, format="ndjson")
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert [json.loads(line)["Body"] for line in answer.text.splitlines()] == BODIES


def test_csv_has_names_and_rows(asker: Asker) -> None:
    answer = asker.ask("SELECT Body, Weight AS `a - b` FROM logs ORDER BY 2", format="csv")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.reader(io.StringIO(answer.text)))
    assert rows[0] == ["Body", "a - b"]
    assert [row[0] for row in rows[1:]] == BODIES


def table(answer: httpx.Response) -> Any:
    return pa.ipc.open_stream(answer.content).read_all()


def test_arrow_is_one_stream_of_all_blocks(asker: Asker) -> None:
    found = table(asker.ask(QUERY, format="arrow"))
    assert found.column("Body").to_pylist() == BODIES
    assert found.schema.field("Weight").type == pa.uint32()
    long = (
        "SELECT a * 200 + b AS number, toString(number) AS s FROM "
        "(SELECT arrayJoin(range(1000)) AS a) AS x, (SELECT arrayJoin(range(200)) AS b) AS y"
    )
    found = table(asker.ask(long, format="arrow"))
    assert found.num_rows == 200_000
    assert found.column("number").num_chunks > 1
    assert sorted(map(int, found.column("s").to_pylist())) == list(range(200_000))


def test_arrow_and_parquet_of_no_rows_have_their_columns(asker: Asker) -> None:
    empty = "SELECT Timestamp, Body FROM logs WHERE 0"
    assert table(asker.ask(empty, format="arrow")).schema.names == ["Timestamp", "Body"]
    found = pq.read_table(io.BytesIO(asker.ask(empty, format="parquet").content))
    assert found.schema.names == ["Timestamp", "Body"]


def test_parquet_is_a_file(asker: Asker) -> None:
    answer = asker.ask(QUERY, format="parquet")
    found = pq.read_table(io.BytesIO(answer.content))
    assert found.column("Body").to_pylist() == BODIES


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/csv", "text/csv"),
        ("application/x-ndjson", "application/x-ndjson"),
        ("application/vnd.apache.arrow.stream", "application/vnd.apache.arrow.stream"),
        ("text/html, text/csv;q=0.5, application/x-ndjson;q=0.9", "application/x-ndjson"),
        ("*/*", "application/json"),
        ("", "application/json"),
        ("text/csv;q=x", "text/csv"),
    ],
)
def test_the_accept_header_chooses(asker: Asker, accept: str, kind: str) -> None:
    answer = asker.ask("SELECT 1", headers={"Accept": accept})
    assert answer.headers["content-type"].partition(";")[0] == kind


def test_a_query_is_posted_as_a_form_or_as_itself(asker: Asker) -> None:
    assert asker.ask("SELECT 1 AS a", "POST").json()["data"] == [{"a": 1}]
    for kind in ("text/plain", "application/sql; charset=utf-8"):
        answer = asker.request(
            "POST", content="SELECT 2 AS a", params=RANGE, headers={"Content-Type": kind}
        )
        assert answer.json()["data"] == [{"a": 2}]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"content": "{}", "headers": {"Content-Type": "application/json"}}, "text/plain"),
        ({"content": b"\xff", "headers": PLAIN}, "UTF-8"),
        (
            {"content": "x" * (limits.QUERY_TEXT_BYTES + 1), "headers": PLAIN},
            "QUERY_TEXT_BYTES",
        ),
        ({"data": {}}, "post the query"),
        ({"data": {"query": ""}}, "query is missing"),
        ({"data": {"query": "SELECT 1", "format": "xml"}}, "format='xml'"),
        ({"data": {"query": "SELECT 1", "start": "soon"}}, "start="),
        ({"data": {"query": "SELECT 1", "start": "5", "end": "1"}}, "before start"),
        ({"data": {"query": "SELECT 1", "start": "0", "end": "9999999"}}, "SQL_RANGE_S"),
        ({"data": {"query": "SELECT\n  Body FROM logs,\n frobs"}}, "'frobs'; the tables are"),
        ({"data": {"query": "SELECT\n  frob(1)"}}, "at 2:3"),
        ({"data": {"query": "SELECT 1 +\n FROM logs LIMIT LIMIT"}}, "at 2:"),
        ({"data": {"query": "SELECT " + "(" * 60 + "1" + ")" * 60}}, "SQL_DEPTH"),
        ({"data": {"query": "SELECT 1" + " + 1" * 5000}}, "SQL_TOKENS"),
        ({"data": {"query": "SELECT Body + 1 FROM logs"}}, "Illegal types"),
        ({"data": {"query": "SELECT Body FROM"}}, "Expected table name"),
        ({"data": {"query": "SELECT 1 EXCEPT 2"}}, "at 1:"),
        ({"data": {"query": "SELECT count() AS n, Body FROM logs WHERE n GROUP BY ALL"}}, "count"),
        ({"data": {"query": "SELECT toUInt8(Body) FROM logs", **RANGE}}, "Cannot parse"),
        ({"data": {"query": "SELECT groupArray(repeat('x', 1000000)) FROM "
                            "(SELECT arrayJoin(range(1000)))"}}, "SQL_MEMORY_BYTES"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(asker: Asker, options: dict[str, Any], message: str) -> None:
    answer = asker.request("POST", **options)
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert message in answer.json()["error"]
    assert "__" not in answer.json()["error"]


def test_the_last_hour_is_asked_by_default(asker: Asker) -> None:
    assert asker.request("GET", params={"query": "SELECT count() FROM logs"}).json()["data"] == [
        {"count()": 6}
    ]


class Half:
    """Gives some rows, then fails; or never ends."""

    def __init__(self, asker: Asker, error: Exception | None) -> None:
        self.rows = asker.engine.rows
        self._error = error
        self.closed = asyncio.Event()

    async def raw(self, *args: Any, **options: Any) -> AsyncIterator[bytes]:
        try:
            yield b'{"a":1}\n'
            if self._error:
                raise self._error
            while True:
                yield b'{"a":2}\n'
                await asyncio.sleep(0)
        finally:
            self.closed.set()


def half_way(engine: Half, asker: Asker, form: str, gone_after: int = 0) -> list[dict[str, Any]]:
    """What an ASGI server is sent; the client leaves after `gone_after` pieces."""
    half = Asker(engine, asker.tenant)  # type: ignore[arg-type]
    query = str(httpx.QueryParams({"query": "SELECT 1 AS a", "format": form, **RANGE})).encode()
    scope = {
        "type": "http", "method": "GET", "path": "/api/sql", "headers": [], "query_string": query,
        "asgi": {"version": "3.0"}, "http_version": "1.1", "root_path": "", "scheme": "http",
        "server": ("test", 80),
    }  # fmt: skip
    sent: list[dict[str, Any]] = []

    async def run() -> None:
        left = asyncio.Event()

        async def receive() -> dict[str, Any]:
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)
            if gone_after and len(sent) > gone_after:
                left.set()

        await half.app(scope, receive, send)
        assert engine.closed.is_set()
        abandoned = half.metrics.get("tailrace_query_abandoned_total")
        assert abandoned == (1 if gone_after else 0)

    asyncio.run(run())
    return sent


@pytest.mark.parametrize("form", ["json", "ndjson", "csv"])
def test_an_error_half_way_leaves_the_body_without_its_end(asker: Asker, form: str) -> None:
    error = StoreError("Code: 241. DB::Exception: Query memory limit exceeded: x", 241)
    sent = half_way(Half(asker, error), asker, form)
    assert sent[0]["status"] == 200
    assert all(one["more_body"] for one in sent[1:])
    last = sent[-1]["body"]
    assert (b"SQL_MEMORY_BYTES" in json.loads(last)["error"].encode()) if form == "ndjson" else last


def test_an_error_within_a_row_is_a_line_of_its_own(asker: Asker) -> None:
    class Within(Half):
        async def raw(self, *args: Any, **options: Any) -> AsyncIterator[bytes]:
            for piece in (b'{"a":', b'1}\n{"a":2}\n{"', b"a"):
                yield piece
            self.closed.set()
            raise StoreError("Code: 395. DB::Exception: x", 395)

    sent = half_way(Within(asker, None), asker, "ndjson")
    lines = b"".join(one["body"] for one in sent[1:]).splitlines()
    assert [json.loads(line) for line in lines] == [{"a": 1}, {"a": 2}, {"error": "x"}]


def test_ndjson_of_many_pieces_is_whole(asker: Asker) -> None:
    long = "SELECT arrayJoin(range(100000)) AS n, repeat('x', 20) AS s"
    found = asker.ask(long, format="ndjson").text.splitlines()
    assert sorted(json.loads(line)["n"] for line in found) == list(range(100_000))


@pytest.mark.parametrize(
    ("allowed", "own", "named"),
    [
        (Allowance(read_rows=2), {}, "query.read_rows"),
        (Allowance(read_bytes=3), {}, "query.read_bytes"),
        (Allowance(), {"read_rows": 2}, "SQL_READ_ROWS"),
        (Allowance(read_rows=0, read_bytes=0), {"read_bytes": 3}, "SQL_READ_BYTES"),
        (Allowance(), {"result_rows": 2}, "SQL_RESULT_ROWS"),
    ],
)
def test_whoever_bounds_a_statement_more_is_named(
    asker: Asker,
    allowed: Allowance,
    own: dict[str, int],
    named: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sql_service, "_OWN", replace(sql_service._OWN, **own))
    answer = Asker(asker.engine, asker.tenant, allowed, asker.sources).ask("SELECT Body FROM logs")
    assert answer.status_code == 400
    assert named in answer.json()["error"]


def test_a_query_that_took_too_long_names_the_limit(asker: Asker) -> None:
    allowed = Allowance(timeout_s=0.2)
    many = "(SELECT arrayJoin(range(100000)) AS a)"
    slow = f"SELECT count() FROM {many} AS x, {many} AS y WHERE x.a * y.a % 7 = 3"
    answer = Asker(asker.engine, asker.tenant, allowed, asker.sources).ask(slow)
    assert answer.status_code == 503
    assert "query.timeout" in answer.json()["error"]


def test_who_leaves_stops_the_statement(asker: Asker) -> None:
    sent = half_way(Half(asker, None), asker, "ndjson", gone_after=5)
    assert 5 < len(sent) < 100


def test_the_engines_own_failures_are_the_servers(asker: Asker) -> None:
    class Broken(Half):
        async def raw(self, *args: Any, **options: Any) -> AsyncIterator[bytes]:
            self.closed.set()
            raise StoreError("Code: 243. DB::Exception: no space", 243)
            yield b""

    class Slow(Half):
        async def raw(self, *args: Any, **options: Any) -> AsyncIterator[bytes]:
            self.closed.set()
            raise StoreError("Code: 159. DB::Exception: Timeout exceeded", 159)
            yield b""

    assert half_way(Broken(asker, None), asker, "json")[0]["status"] == 500
    assert half_way(Slow(asker, None), asker, "json")[0]["status"] == 503


def test_more_answers_than_there_is_room_for_are_refused(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "QUERY_WAIT_S", 0.01)
    monkeypatch.setattr(limits, "SQL_ANSWERS", 0)
    answer = Asker(asker.engine, asker.tenant).ask("SELECT 1")
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "2"
    assert "try again" in answer.json()["error"]


def test_there_is_room_for_so_many_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "QUERY_WAIT_S", 0.01)
    monkeypatch.setattr(limits, "SQL_ANSWERS", 2)

    async def run() -> None:
        service = sql_service.Sql(None)  # type: ignore[arg-type]
        async with service.room(), service.room():
            with pytest.raises(Busy, match="more than 2 answers"):
                await service.room().__aenter__()
        async with service.room():
            pass

    asyncio.run(run())


def test_a_result_that_is_too_large_ends_visibly(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SQL_RESULT_BYTES", 100_000)
    sent = half_way(Half(asker, None), asker, "ndjson")
    assert sent[-1]["more_body"]
    assert "SQL_RESULT_BYTES" in json.loads(sent[-1]["body"])["error"]


def test_times_are_read_as_in_the_other_apis(asker: Asker) -> None:
    count = "SELECT count() AS n FROM logs"
    for start in (str(BASE_S), f"{BASE_S}.0", f"{BASE_S}000000000", "2026-01-01T00:00:00Z"):
        assert asker.rows(count, start=start, end=str(BASE_S + 3)) == [[3]]
    assert asker.rows(count, start="", end=str(BASE_S + 4), since="2s") == [[2]]
