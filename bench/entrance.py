"""What each door costs to a durable acknowledgement, in a process that does nothing else."""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import process
from bench.doorbodies import ALL
from bench.figures import Figure, at_least, at_most, plain

_MINIMUM_S = 4.0
# Messages a second.
SYSLOG_GOALS = {"udp": 100_000, "tcp": 200_000}
# One of them in Python sends some 60,000 datagrams a second.
SYSLOG_SENDERS = 2
SETTLED_S = 1.0


def measure(scratch: Path, seconds: float) -> list[Figure]:
    """Every door after the other, each with a fresh process. Raises RuntimeError."""
    found: list[Figure] = []
    each_s = max(_MINIMUM_S, seconds / (len(ALL) + len(SYSLOG_GOALS)))
    for name in ALL:
        found += _http(name, scratch / name, each_s)
        shutil.rmtree(scratch / name, ignore_errors=True)
    for kind in SYSLOG_GOALS:
        found += _syslog(kind, scratch / kind, each_s)
        shutil.rmtree(scratch / kind, ignore_errors=True)
    return found


@contextmanager
def _server(directory: Path) -> Iterator[tuple[int, list[int]]]:
    """Its process and its ports."""
    directory.mkdir(parents=True, exist_ok=True)
    with subprocess.Popen(
        [sys.executable, "-m", "bench.doorserver", str(directory / "queue")],
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            assert server.stdout
            yield server.pid, [int(word) for word in server.stdout.readline().split()]
        finally:
            server.terminate()


def _http(name: str, directory: Path, seconds: float) -> list[Figure]:
    load = ALL[name]()
    with _server(directory) as (pid, (port, *_)):
        _client(port, name, 1.0)  # imports and caches of the first request are not the door
        before_s, before = process.cpu_s(pid), _rows(port)
        said = _client(port, name, seconds)
        cpu_s = process.cpu_s(pid) - before_s
        rows = _rows(port) - before
        peak = process.peak_bytes(pid)
    if rows < said["rows"]:
        raise RuntimeError(f"{load.name}: {said['rows']} rows were acknowledged, {rows} are there")
    rate = rows / cpu_s
    return [
        at_least(f"{load.name}: rows a CPU second", rate, "rows/s", load.goal),
        plain(f"{load.name}: as sent", rate * load.row_bytes / 1e6, "MB/s"),
        plain(f"{load.name}: rows a second, client on the same cores", rows / said["seconds"], ""),
        plain(f"{load.name}: peak resident", peak / 1e6, "MB"),
    ]


def _syslog(kind: str, directory: Path, seconds: float) -> list[Figure]:
    """At the rate of the goal over UDP, and as fast as it goes over TCP."""
    goal = SYSLOG_GOALS[kind]
    rate = goal if kind == "udp" else 10 * goal
    with _server(directory) as (pid, (http_port, udp_port, tcp_port)):
        port = udp_port if kind == "udp" else tcp_port
        _sender(kind, port, goal / 10, 1.0)
        _settled(http_port)
        before_s, before, began_s = process.cpu_s(pid), _settled(http_port), time.monotonic()
        sent = _sender(kind, port, rate, seconds)
        arrived = _settled(http_port) - before
        took_s = time.monotonic() - began_s - SETTLED_S
        cpu_s = process.cpu_s(pid) - before_s
    name = f"Syslog over {kind.upper()}"
    found = [plain(f"{name}: messages a CPU second", arrived / cpu_s, "")]
    if kind == "udp":
        lost = at_most(f"{name}: lost at {goal:,}/s", sent - arrived, "", 0)
        return [
            plain(f"{name}: sent a second", sent / seconds, ""),
            plain(f"{name}: sent", sent, ""),
            lost,
            *found,
        ]
    if arrived != sent:
        raise RuntimeError(f"{name}: {sent} were sent, {arrived} are there")
    return [at_least(f"{name}: messages a second, durable", sent / took_s, "", goal), *found]


def _sender(kind: str, port: int, rate: float, seconds: float) -> int:
    """Messages sent by all senders together."""
    words = [kind, str(port), str(rate / SYSLOG_SENDERS), str(seconds)]
    command = [sys.executable, "-m", "bench.socketload", *words]
    sending = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(SYSLOG_SENDERS)
    ]
    sent = 0
    for one in sending:
        said, errors = one.communicate()
        if one.returncode:
            raise RuntimeError(f"syslog over {kind}: {errors.strip()[-500:]}")
        sent += json.loads(said)["sent"]
    return sent


def _settled(port: int) -> int:
    """Durable rows, when there have been no more for SETTLED_S."""
    rows, since_s = _rows(port), time.monotonic()
    while time.monotonic() - since_s < SETTLED_S:
        time.sleep(SETTLED_S / 10)
        now = _rows(port)
        if now != rows:
            rows, since_s = now, time.monotonic()
    return rows


def _client(port: int, name: str, seconds: float) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.doorload", str(port), name, str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr.strip()[-500:]}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _rows(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10.0)
    try:
        connection.request("GET", "/rows")
        return int(connection.getresponse().read())
    finally:
        connection.close()
