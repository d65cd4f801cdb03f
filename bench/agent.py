"""The agent: the real command ships a text file to a sink that answers at once.

CPU and memory are those of its process from the start to the last acknowledged byte, start-up
included. Checkpoint and spool are on the disk of `--directory`.
"""

from __future__ import annotations

import http.client
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import process
from bench.figures import Figure, at_least, at_most, plain
from bench.server import COMMAND
from tailrace.app.demo.lines import message_line
from tailrace.app.demo.shop import Shop

MB = 1e6
SHIP_S = 300.0
# Invented once and repeated: far longer than the megabyte that the agent compresses at a time.
_PIECE_BYTES = 40_000_000
_SEED = 20_260_104
_CONFIG = """[server]
data_dir = "{home}/data"

[agent]
directory = "{home}/agent"
gateways = ["http://127.0.0.1:{port}"]

[[agent.inputs]]
paths = ["{home}/logs/app.log"]
service = "bench"
"""


def measure(scratch: Path, megabytes: int) -> list[Figure]:
    """Ship a file of `megabytes` MB. Raises RuntimeError."""
    size = _write(scratch / "logs" / "app.log", megabytes)
    with _sink() as port:
        config = scratch / "agent.toml"
        config.write_text(_CONFIG.format(home=scratch, port=port))
        with (scratch / "agent.log").open("wb") as log:
            shipping = subprocess.Popen(
                [str(COMMAND), "agent", "--config", str(config)], stdout=log, stderr=log
            )
        start_s = time.monotonic()
        try:
            _await(port, size, shipping, scratch)
            seconds = time.monotonic() - start_s
            cpu_s = process.cpu_s(shipping.pid)
            peak_bytes = process.peak_bytes(shipping.pid)
        finally:
            shipping.terminate()
            try:
                shipping.wait(30)
            except subprocess.TimeoutExpired:
                shipping.kill()
                shipping.wait()
    return [
        plain("agent, file", size / MB, "MB"),
        plain("agent, throughput", size / MB / seconds, "MB/s"),
        plain("agent, CPU", cpu_s, "s"),
        at_least("agent, per CPU second", size / MB / cpu_s, "MB/s", 150),
        at_most("agent, peak resident", peak_bytes / MB, "MB", 45),
    ]


def _write(path: Path, megabytes: int) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    wanted = int(megabytes * MB)
    piece = _piece(min(_PIECE_BYTES, wanted))
    with path.open("wb") as file:
        while file.tell() < wanted:
            file.write(piece)
        return file.tell()


def _piece(size: int) -> bytes:
    shop = Shop(_SEED)
    now_ns = time.time_ns()
    lines: list[str] = []
    total = 0
    while total < size:
        said = shop.message() if shop.uniform() > 0.03 else shop.error()
        lines.append(message_line(now_ns + len(lines) * 1_000_000, said))
        total += len(lines[-1])
    return "".join(lines).encode()


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


def _await(port: int, size: int, shipping: subprocess.Popen[bytes], scratch: Path) -> None:
    deadline = time.monotonic() + SHIP_S
    while (found := _received(port)) < size:
        if shipping.poll() is not None or time.monotonic() > deadline:
            log = (scratch / "agent.log").read_text(errors="replace")[-3000:]
            raise RuntimeError(f"{found} of {size} bytes were shipped:\n{log}")
        time.sleep(0.05)
    if found > size:
        raise RuntimeError(f"{found} bytes were shipped of a file of {size}")


def _received(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/bytes")
        return int(connection.getresponse().read())
    finally:
        connection.close()
