"""The real command `tailrace agent`, and the sink it ships to, each in its own process."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import process
from bench.server import COMMAND

STOP_S = 30.0
_CONFIG = """[server]
data_dir = "{home}/data"

[agent]
directory = "{home}/agent"
gateways = ["http://127.0.0.1:{port}"]
{settings}
[[agent.inputs]]
{input}
"""
# As if hyperscan were not installed.
_WITHOUT_HYPERSCAN = (
    "import sys; sys.modules['hyperscan'] = None; from tailrace.cli import main; sys.exit(main())"
)


class Agent:
    """A running agent and its sink. `started_ns`: of CLOCK_MONOTONIC, before it was started."""

    def __init__(self, port: int, command: list[str], home: Path) -> None:
        self._port = port
        self._log = home / "agent.log"
        with self._log.open("wb") as log:
            self.started_ns = time.monotonic_ns()
            self._process = subprocess.Popen(command, stdout=log, stderr=log)

    @property
    def cpu_s(self) -> float:
        """CPU seconds since its start."""
        return process.cpu_s(self._process.pid)

    @property
    def peak_bytes(self) -> int:
        """The largest resident size so far."""
        return process.peak_bytes(self._process.pid)

    def ask(self, path: str) -> Any:
        """What the sink answers; see bench/sink.py. Raises RuntimeError when the agent ended."""
        if self._process.poll() is not None:
            said = self._log.read_text(errors="replace")[-3000:]
            raise RuntimeError(f"the agent has ended:\n{said}")
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def stop(self) -> None:
        """As a service manager does."""
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def agent(home: Path, entry: str, settings: str = "", hyperscan: bool = True) -> Iterator[Agent]:
    """An agent with one input, `entry`; its state is in `home`, which is made. All but `settings`
    is at its defaults."""
    home.mkdir(parents=True, exist_ok=True)
    with _sink() as port:
        config = home / "agent.toml"
        config.write_text(_CONFIG.format(home=home, port=port, settings=settings, input=entry))
        command = [str(COMMAND)] if hyperscan else [sys.executable, "-c", _WITHOUT_HYPERSCAN]
        running = Agent(port, [*command, "agent", "--config", str(config)], home)
        try:
            yield running
        finally:
            running.stop()


@contextmanager
def _sink() -> Iterator[int]:
    command = [sys.executable, "-m", "bench.sink"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as sink:
        try:
            assert sink.stdout is not None
            line = sink.stdout.readline()
            if not line:
                raise RuntimeError("the sink did not start; see above")
            yield int(line)
        finally:
            sink.kill()
