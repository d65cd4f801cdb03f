"""`tailrace up` in a process of its own, and questions to it over HTTP."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from nursery import NURSERY, Child

START_S = 60.0
STOP_S = 60.0
POLL_S = 0.05
MARKS = ("BULK_SLOW", "BULK_STOP", "HOT_SLOW", "HOT_STOP")
Body = bytes | Iterable[bytes]


@dataclass(frozen=True)
class Answer:
    """`status` is 0 where no answer came."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        return json.loads(self.body)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


class Server:
    """`tailrace up`, or another `command` that serves. Not started yet.

    Its data is `home`/data, its log `home`/server.log.

    `tls` is what requests verify it and prove themselves with; `headers` go with each of them.
    """

    def __init__(self, home: Path, **environment: str) -> None:
        self.command = "up"
        self.port = free_port()
        self.home = home
        self.data = home / "data"
        self._log = home / "server.log"
        self.tls: ssl.SSLContext | None = None
        self.headers: dict[str, str] = {}
        self.process: subprocess.Popen[bytes] | Child | None = None
        # Or started as users start it, with its imports.
        self.forked = "LD_PRELOAD" not in environment
        self.environment = {
            **os.environ,
            "TAILRACE_SERVER__LISTEN": f"127.0.0.1:{self.port}",
            "TAILRACE_SERVER__DATA_DIR": str(self.data),
            "XDG_CONFIG_HOME": str(home / "config"),
            "TAILRACE_SERVER__DOORS": "[]",
            "TAILRACE_ARCHIVE__STEP": "1s",
            # Its lines would be among those that tests count.
            "TAILRACE_ALERTS__CANARY": "0s",
            "TAILRACE_AGENT__INPUTS": "[{paths=['/nowhere/*.log']}]",
            # Tests count rows, and samples of own metrics would be among them.
            "TAILRACE_ALERTS__BUILTIN": "false",
            # The disk that tests run on may be nearly full.
            **{f"TAILRACE_SPACE__{mark}": "1" for mark in MARKS},
            **environment,
        }

    def launch(self) -> None:
        """Start, without waiting."""
        with self._log.open("ab") as log:
            if self.forked:
                self.process = NURSERY.bear(self.words(), self.environment, log.fileno())
            else:
                self.process = subprocess.Popen(
                    self.words(), stdout=log, stderr=log, env=self.environment
                )

    def words(self) -> list[str]:
        """The command line."""
        return [str(Path(sys.executable).with_name("tailrace")), self.command]

    def start(self) -> None:
        self.launch()
        self.until(lambda: self.get("/ready").status == 200, "ready", START_S)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> int:
        """Exit status after SIGINT."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(STOP_S)

    def until(self, holds: Callable[[], bool], what: str, timeout_s: float = 30.0) -> None:
        """Wait until `holds()`, while the process lives."""
        deadline = time.monotonic() + timeout_s
        while not holds():
            assert self.process is not None
            assert self.process.poll() is None, f"ended before {what}\n{self.log()}"
            assert time.monotonic() < deadline, f"not {what} in {timeout_s:.0f} s\n{self.log()}"
            time.sleep(POLL_S)

    def log(self) -> str:
        """The end of what it wrote."""
        return self._log.read_text(errors="replace")[-3000:]

    def get(self, path: str) -> Answer:
        return self.request("GET", path)

    def post(self, path: str, body: Body, **headers: str) -> Answer:
        return self.request("POST", path, body, headers)

    def request(
        self,
        method: str,
        path: str,
        body: Body | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request on its own connection. `content_type` stands for `Content-Type`."""
        names = {name.replace("_", "-"): value for name, value in (headers or {}).items()}
        names = {**self.headers, **names}
        connection = self.connection()
        try:
            connection.connect()
            # A server that has heard enough answers before the body is sent.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, path, body, names)
            answer = connection.getresponse()
            return Answer(answer.status, answer.read(), dict(answer.headers))
        except (OSError, http.client.HTTPException):
            return Answer(0)
        finally:
            connection.close()

    def connection(self) -> http.client.HTTPConnection:
        """A new one, not opened yet."""
        if self.tls is None:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=self.tls)

    def counts(self, services: str = ".+") -> dict[str, int]:
        """Rows stored by service, for the services that match; at most QUERY_SERIES of them."""
        query = f'sum by (service_name)(count_over_time({{service_name=~"{services}"}}[24h]))'
        # An hour ahead: a clock that went back leaves rows in what is now the future.
        at_s = time.time_ns() // 1_000_000_000 + 7200
        answer = self.get(f"/loki/api/v1/query?query={quote(query)}&time={at_s}")
        assert answer.status == 200, answer
        return {
            item["metric"].get("service_name", ""): int(float(item["value"][1]))
            for item in answer.json()["data"]["result"]
        }

    def metric(self, name: str, kind: str = "") -> float:
        """An own metric; its labels summed up, or the one of `kind`."""
        start = f'{name}{{kind="{kind}"}} ' if kind else name
        lines = self.get("/metrics").body.decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(start))

    def peak_bytes(self) -> int:
        """The largest resident size so far."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024

    def forget_peak(self) -> int:
        """Measure the peak anew from here; the present resident size."""
        assert self.process is not None
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")
        return self.peak_bytes()


Start = Callable[..., Server]
"""The fixture `start`: a server that is ready, killed when its test ends."""
