"""Every line of a file reaches the gateway, numbered, whatever happens in between."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tailrace.agent.agent import Agent
from tailrace.agent.checkpoints import Checkpoints, FileMark, State
from tailrace.agent.settings import AgentSettings, Input
from tailrace.core import limits
from tailrace.core.clock import SystemClock
from tailrace.core.metrics import Metrics
from tailrace.core.payload import expand
from tailrace.wire import frames as wire

WAIT_S = 20.0


class Gateway:
    """Takes frames, answers what it is told to, remembers each frame once."""

    def __init__(self) -> None:
        self.frames: dict[tuple[str, str, int, int], bytes] = {}
        self.statuses: list[int] = []
        self.changed = threading.Condition()
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = gateway.take(body)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def take(self, body: bytes) -> int:
        with self.changed:
            status = self.statuses.pop(0) if self.statuses else 200
            if status == 200:
                for frame in wire.decode(body):
                    data = expand(frame.payload, limits.BODY_BYTES)
                    known = self.frames.setdefault(frame.header.key, data)
                    assert known == data, "a number names one content"
            self.changed.notify_all()
            return status

    def lines(self) -> list[bytes]:
        ordered = sorted(self.frames.items(), key=lambda item: item[0][3])
        return b"".join(data for _, data in ordered).splitlines()

    def wait_for(self, count: int) -> list[bytes]:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.lines()) >= count, WAIT_S), len(
                self.lines()
            )
            return self.lines()


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    found = Gateway()
    yield found
    found.server.shutdown()
    found.server.server_close()


def agent(tmp_path: Path, gateway: Gateway, **settings: object) -> Agent:
    return Agent(
        AgentSettings(
            inputs=[Input([str(tmp_path / "*.log")], service="test")],
            directory=str(tmp_path / "state"),
            gateways=[gateway.url],
            poll_interval_s=0.02,
            **settings,  # type: ignore[arg-type]
        ),
        SystemClock(),
        Metrics(),
    )


def numbered(first: int, last: int) -> bytes:
    return b"".join(b"line %d\n" % n for n in range(first, last))


def test_lines_arrive_once_over_restarts_and_refusals(tmp_path: Path, gateway: Gateway) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(numbered(0, 1000) + b"unfin")
    gateway.statuses = [503, 500, 429]
    first = agent(tmp_path, gateway)
    first.start()
    gateway.wait_for(1000)
    first.stop(5)
    with path.open("ab") as file:
        file.write(b"ished\n" + numbered(1001, 1500))
    second = agent(tmp_path, gateway)
    second.start()
    lines = gateway.wait_for(1500)
    second.stop(5)
    assert lines == [
        *numbered(0, 1000).splitlines(),
        b"unfinished",
        *numbered(1001, 1500).splitlines(),
    ]


def test_a_renamed_file_is_read_to_its_end(tmp_path: Path, gateway: Gateway) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(numbered(0, 10))
    running = agent(tmp_path, gateway)
    running.start()
    gateway.wait_for(10)
    with path.open("ab") as old:
        path.rename(tmp_path / "a.log.1")
        path.write_bytes(numbered(20, 30))
        old.write(numbered(10, 20))
    lines = gateway.wait_for(30)
    running.stop(5)
    assert sorted(lines) == sorted(numbered(0, 30).splitlines())


def test_a_truncated_file_is_read_from_its_beginning(tmp_path: Path, gateway: Gateway) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(numbered(0, 100))
    running = agent(tmp_path, gateway)
    running.start()
    gateway.wait_for(100)
    with path.open("r+b") as file:
        file.truncate(0)
        file.write(numbered(100, 105))
    lines = gateway.wait_for(105)
    running.stop(5)
    assert lines == numbered(0, 105).splitlines()


def test_a_line_without_end_is_cut_and_counted(tmp_path: Path, gateway: Gateway) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"x" * (3 * limits.MIB) + b"\nnext\n")
    running = agent(tmp_path, gateway)
    running.start()
    lines = gateway.wait_for(2)
    running.stop(5)
    assert len(lines[0]) <= limits.LINE_BYTES + 20
    assert lines[1] == b"next"
    assert running._metrics.get("tailrace_agent_lines_cut_total") == 1


def test_a_full_spool_stops_reading_and_loses_nothing(tmp_path: Path, gateway: Gateway) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(numbered(0, 20_000))
    gateway.statuses = [503] * 3
    running = agent(tmp_path, gateway, spool_bytes=2000, chunk_bytes=10_000)
    running.start()
    lines = gateway.wait_for(20_000)
    running.stop(5)
    assert lines == numbered(0, 20_000).splitlines()


def test_binary_and_own_files_are_left_alone(tmp_path: Path, gateway: Gateway) -> None:
    (tmp_path / "bin.log").write_bytes(b"\0\1\2" * 100)
    (tmp_path / "own.log").write_bytes(b"own\n")
    (tmp_path / "a.log").write_bytes(b"taken\n")
    running = Agent(
        AgentSettings(
            inputs=[Input([str(tmp_path / "*.log")], exclude=[str(tmp_path / "own*")])],
            directory=str(tmp_path / "state"),
            gateways=[gateway.url],
        ),
        SystemClock(),
        Metrics(),
    )
    running.start()
    assert gateway.wait_for(1) == [b"taken"]
    running.stop(5)
    assert gateway.lines() == [b"taken"]


@pytest.mark.parametrize("cut", [0, 1, 8, 20])
def test_a_torn_checkpoint_falls_back_to_the_one_before(tmp_path: Path, cut: int) -> None:
    checkpoints = Checkpoints(tmp_path)
    for offset in (1, 2):
        checkpoints.save(State("s", 1, offset, {"1:2": FileMark(offset)}))
    path = tmp_path / "checkpoints"
    path.write_bytes(path.read_bytes()[:cut])
    state = checkpoints.load()
    assert state is not None
    assert state.files["1:2"].offset == 1
