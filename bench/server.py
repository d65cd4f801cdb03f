"""The real command `tailrace up` in a process of its own, and questions to it over HTTP."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

COMMAND = Path(sys.executable).with_name("tailrace")
START_S = 60.0
STOP_S = 120.0
_CONFIG = """[server]
data_dir = "{data}"
listen = "127.0.0.1:{port}"

[agent]
inputs = []
"""


def free_port() -> int:
    """A port of the loopback that nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


class Server:
    """Started and ready on entry, stopped on exit. All else is at its defaults, but for what is in
    `more`, tables of its configuration."""

    def __init__(self, home: Path, more: str = "") -> None:
        self.home = home
        self.data = home / "data"
        self.port = free_port()
        home.mkdir(parents=True, exist_ok=True)
        self._config = home / "tailrace.toml"
        self._config.write_text(_CONFIG.format(data=self.data, port=self.port) + more)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None, "start() first"
        return self._process.pid

    def start(self) -> None:
        """Start and wait for /ready. Raises RuntimeError with the end of the log."""
        if not COMMAND.exists():
            raise RuntimeError(f"{COMMAND} does not exist; run `make setup`")
        with (self.home / "server.log").open("ab") as log:
            # The master key of the guard's keys is made there.
            environment = {**os.environ, "XDG_CONFIG_HOME": str(self.home / "config")}
            self._process = subprocess.Popen(
                [str(COMMAND), "up", "--config", str(self._config)],
                stdout=log,
                stderr=log,
                env=environment,
            )
        deadline = time.monotonic() + START_S
        while self._status("/ready") != 200:
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"`tailrace up` did not become ready:\n{self._log_end()}")
            time.sleep(0.05)

    def stop(self) -> None:
        """As Ctrl-C does; killed when it does not drain in time."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RuntimeError(f"`tailrace up` did not stop in {STOP_S:.0f} s") from None

    def kill(self) -> None:
        """At once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def get(self, path: str, **parameters: object) -> bytes:
        """The body of a 200. Raises RuntimeError for anything else."""
        query = f"?{urlencode(parameters)}" if parameters else ""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", path + query)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise RuntimeError(f"GET {path}: {error!r}\n{self._log_end()}") from None
        finally:
            connection.close()
        if answer.status != 200:
            raise RuntimeError(f"GET {path}{query}: {answer.status} {body[:300]!r}")
        return body

    def metrics(self) -> dict[str, float]:
        """Own metrics by name, labels summed up."""
        found: dict[str, float] = {}
        for line in self.get("/metrics").decode().splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                name = name.partition("{")[0]
                found[name] = found.get(name, 0.0) + float(value)
        return found

    def count(self, selector: str, seconds: int, at_ns: int) -> int:
        """Rows that a query counts in the `seconds` up to `at_ns`."""
        text = f"sum(count_over_time({selector}[{seconds}s]))"
        answer: dict[str, Any] = json.loads(self.get("/loki/api/v1/query", query=text, time=at_ns))
        return sum(int(float(item["value"][1])) for item in answer["data"]["result"])

    def await_metric(self, name: str, value: float, timeout_s: float, poll_s: float = 0.1) -> float:
        """Poll until the counter `name` reaches `value`; the monotonic time of that."""
        deadline = time.monotonic() + timeout_s
        while (found := self.metrics().get(name, 0.0)) < value:
            if time.monotonic() > deadline:
                raise RuntimeError(
                    f"{name} is {found:.0f}, not {value:.0f}, after {timeout_s:.0f} s\n"
                    f"{self._log_end()}"
                )
            time.sleep(poll_s)
        return time.monotonic()

    def _status(self, path: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()

    def _log_end(self) -> str:
        path = self.home / "server.log"
        return path.read_text(errors="replace")[-3000:] if path.exists() else ""
