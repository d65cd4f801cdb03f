"""`tailrace sql` and the client's `sql` against a server on a port."""

from __future__ import annotations

import io
import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uvicorn
from sql_asking import BASE_S, Asker
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

import tailrace
from tailrace.app.commands.sql import FORMATS
from tailrace.cli import main
from tailrace.client import QueryError, StoreError, api
from tailrace.client.server import Server
from tailrace.query import grid

RANGE = ["--start", str(BASE_S), "--end", str(BASE_S + 3600)]
QUERY = "SELECT Body, Weight FROM logs ORDER BY Timestamp LIMIT 2"


def serve(app: Any) -> Iterator[str]:
    config = uvicorn.Config(app, port=0, log_level="critical", ws="websockets-sansio")
    running = uvicorn.Server(config)
    ready = threading.Event()
    startup = running.startup

    async def announce(*args: Any, **kwargs: Any) -> None:
        await startup(*args, **kwargs)
        ready.set()

    running.startup = announce  # type: ignore[method-assign]
    thread = threading.Thread(target=running.run)
    thread.start()
    assert ready.wait(20)
    yield f"http://127.0.0.1:{running.servers[0].sockets[0].getsockname()[1]}"
    running.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def server(asker: Asker) -> Iterator[str]:
    yield from serve(asker.app)


def run(*args: str) -> int:
    return main(["sql", *args])


def test_a_table_is_printed(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(QUERY, "--url", server, *RANGE) == 0
    assert capsys.readouterr().out == (
        "Body  Weight\n────  ──────\none        1\ntwo        2\n2 rows\n"
    )


def test_a_query_is_read_from_input(
    server: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(QUERY))
    assert run("-", "--url", server, "--format", "ndjson", *RANGE) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[1]) == {"Body": "two", "Weight": 2}


def test_formats_go_to_files(server: str, tmp_path: Path) -> None:
    for form in FORMATS:
        path = tmp_path / form
        assert run(QUERY, "--url", server, "--format", form, "--output", str(path), *RANGE) == 0
    assert pq.read_table(tmp_path / "parquet").column("Body").to_pylist() == ["one", "two"]
    with pa.ipc.open_stream((tmp_path / "arrow").read_bytes()) as stream:
        assert stream.read_all().num_rows == 2
    assert (tmp_path / "csv").read_text() == 'Body,Weight\n"one",1\n"two",2\n'
    assert "2 rows" in (tmp_path / "table").read_text()
    assert not list(tmp_path.glob("*.part"))


def test_binary_goes_to_a_pipe_but_not_to_a_terminal(
    server: str, capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(QUERY, "--url", server, "--format", "arrow", *RANGE) == 0
    assert pa.ipc.open_stream(capsysbinary.readouterr().out).read_all().num_rows == 2
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert run(QUERY, "--url", server, "--format", "parquet", *RANGE) == 2
    assert b"--output" in capsysbinary.readouterr().err


def test_what_is_wrong_is_said(
    server: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run("SELECT frob(1)", "--url", server) == 1
    assert "frob is not allowed at 1:8" in capsys.readouterr().err
    assert run("SELECT 1", "--url", "http://127.0.0.1:1") == 1
    assert run("SELECT 1", "--since", "soon") == 2
    path = tmp_path / "x"
    assert run("SELECT frob(1)", "--url", server, "--output", str(path)) == 1
    assert not list(tmp_path.iterdir())
    assert run("SELECT 1", "--url", server, "--output", str(tmp_path / "no" / "x")) == 2


def test_a_table_obeys_no_escape_sequence() -> None:
    meta = [{"name": "a\x1b[2J", "type": "String"}, {"name": "n", "type": "Nullable(UInt8)"}]
    rows = [{"a\x1b[2J": "x\x1b]0;evil\x07\n\u202ey", "n": None}, {"a\x1b[2J": "日本", "n": 10}]
    text = "".join(grid.render(meta, rows))
    assert "\x1b" not in text and "\x07" not in text and "\u202e" not in text
    assert len(text.splitlines()) == 5
    assert text.splitlines()[3].startswith("日本 ")


def test_the_client_gives_a_table(server: str) -> None:
    client = tailrace.connect(server)
    found = client.sql(QUERY, start=BASE_S, end=BASE_S + 3600)
    assert [row["Body"] for row in found] == ["one", "two"]
    assert found.polars()["Weight"].to_list() == [1, 2]
    everything = client.sql("SELECT * FROM spans", start=BASE_S, end=BASE_S + 3600)
    assert len(everything.pandas()) == 2
    with pytest.raises(QueryError, match=r"at 1:8 \(400\)"):
        client.sql("SELECT frob(1)")


def test_the_client_does_without_pyarrow(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tailrace.client.session.find_spec", lambda name: None)
    found = tailrace.connect(server).sql(
        "SELECT Timestamp, Body FROM logs", start=BASE_S, end=BASE_S + 3600
    )
    assert len(found) == 6
    assert next(iter(found))["Timestamp"].year == 2026


@pytest.fixture
def broken() -> Iterator[str]:
    """Ends half way, as a server does when a query fails."""

    async def half(request: Request) -> StreamingResponse:
        form = (await request.body()).decode().partition("format=")[2]

        async def body() -> Any:
            yield b'{"a":1}\n'
            if form == "ndjson":
                yield b'{"error":"too much"}\n'
            raise ConnectionError

        return StreamingResponse(body())

    yield from serve(Starlette(routes=[Route("/api/sql", half, methods=["POST"])]))


def test_half_an_answer_is_none(broken: str) -> None:
    for form, error, words in (
        ("csv", StoreError, "ended before its end"),
        ("ndjson", QueryError, "too much"),
    ):
        with pytest.raises(error, match=words):
            list(api.sql(Server(broken), "SELECT 1", 0, 1, form))


def test_a_query_that_fails_half_way_is_no_answer(server: str) -> None:
    late = (
        "SELECT a, intDiv(1, 900 - a) AS x FROM (SELECT arrayJoin(range(1000)) AS a) AS l, "
        "(SELECT arrayJoin(range(2000)) AS b) AS r"
    )
    for form, error, words in (
        ("csv", StoreError, "ended before its end"),
        ("ndjson", QueryError, "Division by zero"),
    ):
        seen = 0
        with pytest.raises(error, match=words):
            for piece in api.sql(Server(server), late, BASE_S, BASE_S + 1, form):
                seen += len(piece)
        assert seen
    assert len(tailrace.connect(server).sql("SELECT 1")) == 1
