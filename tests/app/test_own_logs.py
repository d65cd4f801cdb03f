"""tailrace's own log is tailed like any other, and cannot go round in a circle."""

from __future__ import annotations

import io
import logging
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tailrace.agent.agent import Agent
from tailrace.app import config as configuration
from tailrace.app.agent import agent_settings
from tailrace.app.commands.up import OWN_LOG, machine_logs
from tailrace.core import log
from tailrace.core.clock import SystemClock
from tailrace.core.metrics import Metrics
from tailrace.core.units import Seconds

REPEATS = 3
WINDOW_S = 0.5
RUN_S = 4.0


class Refusing(BaseHTTPRequestHandler):
    """A gateway that refuses every frame, which the agent logs frame by frame."""

    bodies = 0

    def do_POST(self) -> None:
        type(self).bodies += 1
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(400)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def gateway() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def own_log(tmp_path: Path) -> Iterator[Path]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    path = tmp_path / OWN_LOG
    log.configure(stream=io.StringIO(), file=path, repeats=log.Repeats(REPEATS, WINDOW_S))
    yield path
    for handler in root.handlers:
        handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_line_caused_by_shipping_a_line_stays_bounded(
    tmp_path: Path, own_log: Path, gateway: str
) -> None:
    config = configuration.Config()
    config.agent.gateways = [gateway]
    config.agent.poll_interval = config.agent.flush_interval = Seconds("5ms")
    config.agent.inputs = machine_logs(tmp_path)[1:]
    agent = Agent(agent_settings(config, tmp_path), SystemClock(), Metrics())
    log.get("app").info("the first line")
    agent.start()
    time.sleep(RUN_S)
    agent.stop(2.0)
    text = own_log.read_text()
    windows = RUN_S / WINDOW_S + 3
    assert Refusing.bodies > 2 * REPEATS, "there was no circle to bound"
    assert "suppressed" in text
    assert text.count("\n") <= (REPEATS + 1) * windows + 1


def test_own_logs_are_tailed_and_the_rest_of_the_data_is_not(tmp_path: Path) -> None:
    config = configuration.Config()
    config.archive.directory = str(tmp_path / "elsewhere")
    never = agent_settings(config, tmp_path).never
    own = machine_logs(tmp_path)[1]
    assert (own.service, own.codec) == ("tailrace", "records")
    assert own.paths == [str(tmp_path / OWN_LOG)]
    assert not any(own.paths[0].startswith(path) for path in never)
    for kept in ("queue", "store", "elsewhere"):
        assert str(tmp_path / kept) in never
