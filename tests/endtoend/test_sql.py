"""SQL and the Python client against the real command: two tenants, all views, a follower."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from credentials import REVOKED_S, Tokens, bearer
from running import Server
from test_metrics import frame

import tailrace
from tailrace.client import Client, Lines, QueryError
from tailrace.core.frame import Signal
from tailrace.wire import frames, samples, spans
from tailrace.wire.samples import Exemplar, Sample
from tailrace.wire.spans import Span

COMMAND = Path(sys.executable).with_name("tailrace")
TRACE = "0af7651916cd43dd8448eb211c80319c"
VIEWS = ("logs", "spans", "metrics", "series", "exemplars")


def sent(now_ns: int, mark: str) -> bytes:
    span = Span(now_ns, f"GET {mark}", TRACE, "f0", 9_000_000, kind="server", service="web")
    point = Sample(now_ns, "size", 2, "gauge", "By", {"mark": mark},
                   exemplars=[Exemplar(now_ns, 0.5, TRACE, "f0", {"mark": mark})])  # fmt: skip
    line = json.dumps({"body": f"hello {mark}", "service": "web"}).encode() + b"\n"
    return frames.encode([
        frame(line, 1, f"{mark}-logs", Signal.LOGS),
        frame(spans.encode([span]), 1, f"{mark}-spans", Signal.SPANS),
        frame(samples.encode([point]), 1, f"{mark}-metrics", Signal.METRICS),
    ])  # fmt: skip


def post(server: Server, name: str, secret: str) -> None:
    def known() -> bool:
        return server.request("GET", "/api/sql", None, bearer(secret)).status == 400

    server.until(known, "let in", REVOKED_S)
    body = sent(time.time_ns(), name)
    answer = server.request("POST", "/ingest/frames", body, bearer(secret))
    assert answer.status == 200, answer


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, dict[str, str]]]:
    """A server with rows of the tenants one and two, and a token of each."""
    server = Server(tmp_path_factory.mktemp("sql"), TAILRACE_SERVER__AUTH="required")
    tokens = Tokens(server)
    server.headers = bearer(tokens.create("default", "query", "admin"))
    secrets = {name: tokens.create(name, "ingest", "query") for name in ("one", "two")}
    try:
        server.start()
        for name, secret in secrets.items():
            post(server, name, secret)
        yield server, secrets
    finally:
        server.kill()


def client(started: tuple[Server, dict[str, str]], name: str) -> Client:
    server, secrets = started
    return tailrace.connect(f"http://127.0.0.1:{server.port}", secrets[name])


def test_each_tenant_sees_its_own_rows_in_every_view(
    started: tuple[Server, dict[str, str]],
) -> None:
    server, _ = started
    for name, other in (("one", "two"), ("two", "one")):
        mine = client(started, name)
        for view in VIEWS:
            server.until(lambda v=view, c=mine: len(c.sql(f"SELECT * FROM {v}")) > 0, view)  # type: ignore[misc]
            shown = repr(list(mine.sql(f"SELECT * FROM {view}")))
            # The name of the series is the view's only mark there is.
            assert name in shown and f"{other}'" not in shown and f" {other}" not in shown


def test_the_client_reads_what_was_sent(started: tuple[Server, dict[str, str]]) -> None:
    server, _ = started
    mine = client(started, "one")
    server.until(lambda: len(mine.sql("SELECT * FROM exemplars")) > 0, "stored")
    found = mine.logs("hello")
    assert isinstance(found, Lines)
    assert [line.body for line in found] == ["hello one"]
    assert found.pandas()["service_name"].tolist() == ["web"]
    assert len(mine.metrics('size{mark="one"}', since="5m", step="15s").polars()) > 0
    assert [span["name"] for span in mine.trace(TRACE)] == ["GET one"]
    with pytest.raises(QueryError, match="trace not found"):
        mine.trace("ff")
    with pytest.raises(QueryError, match="401"):
        tailrace.connect(mine.url, "tr_other").sql("SELECT 1")


def test_a_follower_gets_new_lines(started: tuple[Server, dict[str, str]]) -> None:
    server, secrets = started
    lines = client(started, "two").follow("followed")
    posted = subprocess.Popen([
        sys.executable, "-c",
        "import time, urllib.request as u, sys\n"
        "for n in range(20):\n"
        "    u.urlopen(u.Request(sys.argv[1], f'followed {n}\\n'.encode(),"
        "        {'Authorization': 'Bearer ' + sys.argv[2]}))\n"
        "    time.sleep(0.5)\n",
        f"http://127.0.0.1:{server.port}/ingest/lines?service=s", secrets["two"],
    ])  # fmt: skip
    try:
        first, second = next(lines), next(lines)
        assert first.body.startswith("followed ") and second.body != first.body
    finally:
        posted.kill()
        posted.wait()
        lines.close()  # type: ignore[attr-defined]


def test_the_command_prints_a_table(started: tuple[Server, dict[str, str]], tmp_path: Path) -> None:
    server, secrets = started
    (tmp_path / "token").write_text(secrets["one"])
    done = subprocess.run(
        [COMMAND, "sql", "SELECT 1 AS a, 'x' AS b", "--url", f"http://127.0.0.1:{server.port}",
         "--token-file", str(tmp_path / "token")],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == "a  b\n─  ─\n1  x\n1 row\n"


def test_what_the_engine_says_of_a_statement_names_nothing_of_ours(
    started: tuple[Server, dict[str, str]],
) -> None:
    mine = client(started, "one")
    for query in ("SELECT Tenant FROM logs", "SELECT frob FROM logs", "SELECT Body + 1 FROM logs"):
        with pytest.raises(QueryError) as refused:
            mine.sql(query)
        assert "__" not in str(refused.value) and "default." not in str(refused.value)
