"""The command line client against a real server, and what it shows."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette

from tailrace.cli import main
from tailrace.client import api, following
from tailrace.client.server import Server
from tailrace.core.errors import QueryError
from tailrace.query import table, terminal
from tailrace.query.jaeger import routes as jaeger_routes
from tailrace.query.logs.logs import Logs
from tailrace.query.loki.http import routes
from tailrace.query.prometheus import routes as prometheus_routes
from tailrace.query.service import QueryService
from tailrace.query.tail.hub import Hub
from tailrace.query.tail.socket import routes as tail_routes
from tailrace.wire.spans import Span

SECOND = 1_000_000_000
BASE = 1_767_225_600 * SECOND
START = ["--start", "2026-01-01T00:00:00Z", "--until", "2026-01-01T01:00:00Z"]


def shell(connection: Any) -> str:
    return "shell"


@pytest.fixture(scope="module")
def server(engine: Any) -> Iterator[str]:
    engine.load("shell", [
        {"ns": BASE + i // 3 * SECOND, "body": f"line {i}", "severity": 17} for i in range(2500)
    ])  # fmt: skip
    engine.load("shell", [
        {"ns": BASE + 2_000_000, "trace": "0a" * 16, "span": "a1", "service": "traced",
         "body": "in"}
    ])  # fmt: skip
    engine.load_samples("shell", [
        ("system.cpu", {"cpu": str(n), "host.name": "h"}, [(60 * i, i * n) for i in range(60)])
        for n in range(2)
    ], "counter", "s")  # fmt: skip
    engine.load_spans("shell", [
        Span(BASE, "GET /cart", "0a" * 16, "a1", 120_000_000, kind="server", service="web"),
        Span(BASE + 3_000_000, "charge", "0a" * 16, "b2", 80_200_000, "a1", service="cart",
             status="error", status_message="card \x1b[2J declined"),
        Span(BASE + 4_000_000, "pay", "0a" * 16, "c3", 999, "b2", status="ok", service="bank"),
        Span(BASE + 5_000_000, "mail", "0a" * 16, "d4", 1_500_000_000, "e5", service="mail"),
    ])  # fmt: skip
    service = QueryService(engine)
    never_joined = Hub(None, None, service.metrics, service.clock)
    found = [
        *routes(Logs(service), shell), *prometheus_routes(service, shell),
        *jaeger_routes(service, shell), *tail_routes(Logs(service), never_joined, shell),
    ]  # fmt: skip
    app = Starlette(routes=found)
    config = uvicorn.Config(app, port=0, log_level="warning", ws="websockets-sansio")
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


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_pages_hold_every_line_once_in_order(server: str, direction: str) -> None:
    end = BASE + 3600 * SECOND
    found = list(api.query(Server(server), api.logql("line"), BASE, end, 10_000, direction))
    assert len({line.body for line in found}) == len(found) == 2500
    times = [line.time_ns for line in found]
    assert times == sorted(times, reverse=direction == "backward")


def run(*args: str) -> int:
    return main(list(args))


def test_query_prints_and_exits(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("query", "line 7", "--url", server, "--forward", "--limit", "2", *START) == 0
    assert "2026-01-01T00:00:02.000Z ERROR web line 7\n" in capsys.readouterr().out
    metric = 'sum(count_over_time({level="error"}[1h]))'
    assert run("query", metric, "--url", server, "--format", "ndjson", *START) == 0
    assert '"2500"' in capsys.readouterr().out
    assert run("query", "{", "--url", server, *START) == 1
    assert "1:2" in capsys.readouterr().err
    assert run("query", "x", "--url", "http://127.0.0.1:1", *START) == 1
    assert run("query", "x", "--since", "soon") == 2
    assert run("tail", "{", "--url", server, "--output", "json") == 1
    assert "1:2" in capsys.readouterr().err
    assert run("tail", "x", "--url", "http://127.0.0.1:1") == 1


def test_no_line_is_a_word_beside_the_output(
    server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for form, shown, told in (("text", "", "no line matches"), ("json", "[]", "")):
        assert run("query", "not there", "--url", server, "--format", form) == 0
        out, err = capsys.readouterr()
        assert "".join(out.split()) == shown
        assert (told in err) and bool(err) == bool(told)


def test_a_closed_pager_is_a_quiet_end(server: str) -> None:
    command = [
        sys.executable,
        "-m",
        "tailrace.cli",
        "query",
        "line",
        "--url",
        server,
        "--limit",
        "2500",
    ]
    process = subprocess.Popen([*command, *START], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout and process.stderr
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(30) == 0


def test_tail_refuses_a_bad_query_with_its_reason(server: str) -> None:
    with pytest.raises(QueryError, match="1:2"):
        next(following.tail(Server(server), "{"))


LINE = api.Line(BASE, {"service_name": "a\x1b[2J", "level": "error"}, "x\x1b]0;t\x07\u202e\n\x9b1m")


def test_nothing_from_a_log_commands_the_terminal() -> None:
    for form in terminal.FORMATS:
        shown = "".join(terminal.render([LINE], form))
        assert not set(shown) & set("\x1b\x07\u202e\x9b")
    assert terminal.text_line(LINE).endswith("x\\x1b]0;t\\x07\\u{202e}\n    \\x9b1m")
    assert "\x1b[31mERROR\x1b[0m" in terminal.text_line(LINE, colour=True)


def test_json_is_one_document() -> None:
    import json

    assert len(json.loads("".join(terminal.render([LINE, LINE], "json")))) == 2
    assert json.loads("".join(terminal.render([], "json"))) == []
    assert json.loads("".join(terminal.render([LINE], "ndjson")))["line"] == LINE.body


def test_colour_needs_a_terminal_and_no_objection() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert terminal.wants_colour(Terminal(), {})
    assert not terminal.wants_colour(Terminal(), {"NO_COLOR": "1"})
    assert not terminal.wants_colour(io.StringIO(), {})


def test_words_become_a_needle() -> None:
    assert api.logql('say "hi"') == '{service_name=~".+"} |= "say \\"hi\\""'
    assert api.logql('{a="b"}') == '{a="b"}'


def test_a_trace_is_a_tree(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("trace", "a" + "0a" * 15, "--url", server) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"trace {'0a' * 16}: 4 spans, 4 services, 1.50s from 2026-01-01T00:00:00.000Z",
        "   offset  duration",
        "        0   120.0ms         web: GET /cart",
        "    3.0ms    80.2ms  error    cart: charge  card \\x1b[2J declined",
        "    4.0ms         0  ok         bank: pay",
        "    5.0ms     1.50s         mail: mail  (its parent e5 is not here)",
    ]


def test_a_trace_with_its_log_lines(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("trace", "0a" * 16, "--logs", "--url", server) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].endswith("web: GET /cart")
    assert lines[3] == "    2.0ms            INFO     | in"
    assert run("trace", "0a" * 16, "--logs", "--format", "json", "--url", server) == 0
    assert '"logs":{"traceID":"0a0a' in capsys.readouterr().out


def test_query_shows_traces(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    query = ("query", '{service_name="traced"}', "--trace", "--url", server, *START)
    assert run(*query) == 0
    assert capsys.readouterr().out == f"2026-01-01T00:00:00.002Z INFO  traced {'0a' * 16} in\n"


def test_patterns_are_a_table(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("patterns", '{service_name="web"}', "--url", server, *HOUR) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["lines", "share", "trend", "template"]
    assert row.split()[:2] == ["2,500", "100.0%"] and row.endswith("  line <_>")
    assert run("patterns", "line", "--format", "json", "--url", server, *HOUR) == 0
    assert '"pattern":"line <_>"' in capsys.readouterr().out
    assert run("patterns", "{", "--url", server, *HOUR) == 1
    assert run("patterns", "x", "--since", "soon") == 2


def test_a_trace_as_json_and_what_is_wrong(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("trace", "0A" * 16, "--format", "json", "--url", server) == 0
    assert capsys.readouterr().out.startswith('{"traceID":"0a0a')
    assert run("trace", "ff", "--url", server) == 1
    assert capsys.readouterr().err == "tailrace: trace not found (404)\n"
    assert run("trace", "no-id", "--url", server) == 2
    assert run("trace", "ff", "--url", "http://127.0.0.1:1") == 1


HOUR = ["--since", "1h", "--until", "2026-01-01T01:00:00Z"]


def test_metrics_are_a_table_under_what_they_share(
    server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("metrics", "system_cpu", "--url", server, *HOUR) == 0
    shared, head, flat, rising = capsys.readouterr().out.splitlines()
    assert shared == 'all are {host_name="h"}'
    assert head.split() == ["last", "min", "max", "trend", "series"]
    assert flat.split() == ["0", "0", "0", "▁" * 40, 'system_cpu{cpu="0"}']
    assert rising.split()[:3] == ["59", "0", "59"]
    assert rising.split()[3].startswith("▁") and rising.split()[3].endswith("█")
    assert run("metrics", "nothing", "--url", server, *HOUR) == 0
    assert capsys.readouterr().out == "no series has a sample in this time\n"


def test_metrics_without_a_query_are_listed(
    server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("metrics", "--url", server) == 0
    assert capsys.readouterr().out == "counter  s          system_cpu\n"
    assert run("metrics", "--format", "json", "--url", server) == 0
    assert capsys.readouterr().out == '{"system_cpu":[{"type":"counter","unit":"s","help":""}]}\n'


def test_metrics_as_json_and_what_is_wrong(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    sums = "sum(system_cpu)"
    args = ("--url", server, "--step", "30m", "--format", "json", *HOUR)
    assert run("metrics", sums, *args) == 0
    assert capsys.readouterr().out.startswith('[{"metric":{},"values":[[1767225600,"0"],')
    assert run("metrics", "up * ", "--url", server) == 1
    said = capsys.readouterr().err
    assert "the end at 1:6" in said and "{" not in said
    assert run("metrics", "up", "--since", "long", "--url", server) == 2
    assert run("metrics", "up", "--url", "http://127.0.0.1:1") == 1


@given(st.lists(st.floats(), min_size=1, max_size=60))
def test_any_values_have_a_trend_of_one_width(values: list[float]) -> None:
    points = [(float(n), value) for n, value in enumerate(values)]
    assert len(table.trend(points, 0.0, float(len(values)))) == table.COLUMNS


def test_a_label_does_nothing_to_a_terminal() -> None:
    series = [{"metric": {"a": "\x1b[2J\n"}, "values": [[1, "NaN"], [2, "+Inf"]]}]
    text = "".join(table.render(series, 0, 2))
    assert "\x1b" not in text and text.count("\n") == 2
