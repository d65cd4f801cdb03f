"""The real command, killed while it works: what was acknowledged is there, once."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tailrace.core.frame import Codec, Frame, Header
from tailrace.core.payload import compress, describe
from tailrace.wire import frames as wire

START_S = 60.0
ROWS = 50


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


class Server:
    """`tailrace up` in a process of its own."""

    def __init__(self, home: Path, **environment: str) -> None:
        self.port = free_port()
        self.home = home
        self.environment = {
            **os.environ,
            "TAILRACE_SERVER__LISTEN": f"127.0.0.1:{self.port}",
            "TAILRACE_SERVER__DATA_DIR": str(home / "data"),
            "TAILRACE_ARCHIVE__STEP": "1s",
            "TAILRACE_AGENT__INPUTS": "[{paths=['/nowhere/*.log']}]",
            **environment,
        }
        self.start()

    def start(self) -> None:
        log = (self.home / "server.log").open("ab")
        command = [str(Path(sys.executable).with_name("tailrace")), "up"]
        self.process = subprocess.Popen(command, stdout=log, stderr=log, env=self.environment)
        log.close()
        deadline = time.monotonic() + START_S
        while self.request("GET", "/ready")[0] != 200:
            assert self.process.poll() is None, (self.home / "server.log").read_text()[-3000:]
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)

    def request(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()

    def counts(self) -> dict[str, int]:
        """Rows stored by service."""
        query = quote('sum by (service_name)(count_over_time({service_name=~".+"}[6h]))')
        status, body = self.request("GET", f"/loki/api/v1/query?query={query}")
        assert status == 200, body
        found: dict[str, Any] = json.loads(body)
        return {
            item["metric"].get("service_name", ""): int(float(item["value"][1]))
            for item in found["data"]["result"]
        }

    def await_counts(self, expected: dict[str, int]) -> None:
        deadline = time.monotonic() + 30
        while (found := self.counts()) != expected:
            assert time.monotonic() < deadline, f"{len(found)} of {len(expected)} services"
            time.sleep(0.1)

    def metric(self, name: str) -> float:
        _status, body = self.request("GET", "/metrics")
        lines = [line for line in body.decode().splitlines() if line.startswith(name)]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def body_of(seq: int) -> bytes:
    """A body of one numbered frame; its service is named by the number."""
    data = b"".join(b'{"body":"row %d","service":"s%d"}\n' % (n, seq) for n in range(ROWS))
    facts = describe(data)
    header = Header(
        "default",
        "crash-test",
        7,
        seq,
        facts.rows,
        facts.bytes,
        facts.checksum,
        time.time_ns(),
        codec=Codec.RECORDS,
    )
    return wire.encode([Frame(header, compress(data))])


class Load:
    """Sends numbered frames, each until it is acknowledged, from one thread."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._stop = threading.Event()
        self.acked = 0
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        body = body_of(self.acked)
        while not self._stop.is_set():
            status, _ = self._server.request("POST", "/ingest/frames", body)
            if status == 200:
                self.acked += 1
                body = body_of(self.acked)
            else:
                self._stop.wait(0.02)

    def stop(self) -> int:
        self._stop.set()
        self._thread.join()
        return self.acked


def survive(home: Path, kills: int) -> None:
    server = Server(home)
    load = Load(server)
    chance = random.Random(kills)
    for _ in range(kills):
        before = load.acked
        time.sleep(chance.uniform(0.05, 1.5))
        server.kill()
        server.start()
        assert load.acked >= before
    acked = load.stop()
    assert acked > 0
    # The one frame that was sent and not acknowledged may be there, once.
    unsure = f"s{acked}"
    expected = {f"s{n}": ROWS for n in range(acked)}
    if unsure in server.counts():
        expected[unsure] = ROWS
    server.await_counts(expected)
    assert server.stop() == 0


def test_acknowledged_rows_are_there_once_after_kill_9(tmp_path: Path) -> None:
    survive(tmp_path, kills=4)


@pytest.mark.soak
def test_acknowledged_rows_are_there_once_after_200_kills(tmp_path: Path) -> None:
    survive(tmp_path, kills=200)


def test_a_stop_drains_everything_to_the_archive(tmp_path: Path) -> None:
    server = Server(tmp_path, TAILRACE_ARCHIVE__STEP="1h")
    assert server.request("POST", "/ingest/lines?service=me", b"one\ntwo\n")[0] == 200
    assert server.stop() == 0
    manifest = (tmp_path / "data" / "archive" / "manifest").read_text()
    assert json.loads(manifest.splitlines()[-1][9:])["rows"] == 2
    again = Server(tmp_path)
    assert again.counts() == {"me": 2}
    assert again.stop() == 0


def test_hostile_bodies_get_an_answer_and_cost_no_memory(tmp_path: Path) -> None:
    server = Server(tmp_path)
    keys = ",".join(f'"k{n}":1' for n in range(10_000)).encode()
    cases = [
        ("/ingest/records", b'{"body":"x","attributes":{' + keys + b"}}\n", 413),
        ("/ingest/records", b'{"body":\n', 400),
        ("/ingest/lines", b"bad \xff byte and \0\n", 200),
        ("/ingest/lines", b"x" * (20 << 20), 413),
        ("/ingest/lines?tenant=other", b"x\n", 400),
    ]
    for path, body, expected in cases:
        status, answer = server.request("POST", path, body)
        # A refused upload may end in a closed connection before its answer is read.
        assert status in ((expected, 0) if len(body) > 1 << 20 else (expected,)), answer
    assert server.metric("tailrace_process_resident_bytes") < 900 << 20
    assert server.stop() == 0
