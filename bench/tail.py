"""Live tail: from the ack of a frame to the line, with many followers, and what they cost.

Probes are requests of one row, a quarter of a second apart; followers in another process note when
they had its line. The cost is the server's CPU seconds under a steady load that all of them follow,
beyond those under the same load that nobody follows.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

import zstandard

from bench import process
from bench.figures import Figure, at_most, percentile, plain
from bench.server import Server
from tailrace.app.demo.shop import records

FOLLOWERS = 200
PROBE_EVERY_S = 0.25
LOAD_ROWS_PER_S = 5_000
REQUEST_ROWS = 50
SETTLE_S = 2.0
IDLE_S = 4.0
SEED = 20_260_103
_QUERY = '{service_name=~".+"}'
_HEADERS = {"Content-Type": "application/x-ndjson", "Content-Encoding": "zstd"}


class _Watching:
    """Followers in a process of their own, from entry to `found`."""

    def __init__(self, port: int, followers: int, query: str) -> None:
        command = [sys.executable, "-m", "bench.followers", str(port), str(followers), query]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout
        if self._process.stdout.readline() != "ready\n":
            raise RuntimeError("the followers did not connect")

    def found(self) -> dict[str, Any]:
        """End them; what they saw."""
        out, _ = self._process.communicate(timeout=60)
        seen: dict[str, Any] = json.loads(out)
        return seen


def measure(server: Server, seconds: int) -> list[Figure]:
    """Probes for `seconds`, then a load for as long with no, one and many followers."""
    waits = _probed(server, seconds)
    figures = [
        at_most(f"ack to line, {FOLLOWERS} followers, p50", percentile(waits, 0.5), "s", 1.0),
        at_most(f"ack to line, {FOLLOWERS} followers, p99", percentile(waits, 0.99), "s", 1.0),
        at_most(f"ack to line, {FOLLOWERS} followers, max", max(waits), "s", 1.0),
    ]
    alone = _loaded(server, seconds, 0)
    figures.append(plain("CPU for 1,000 rows that nobody follows", alone.cpu_s, "s"))
    figures.append(plain("ack, nobody follows, p99", percentile(alone.acks, 0.99) * 1e3, "ms"))
    for followers in (1, FOLLOWERS):
        load = _loaded(server, seconds, followers)
        name = f"{followers} followers" if followers > 1 else "1 follower"
        figures.append(plain(f"more CPU for 1,000 rows to {name}", load.cpu_s - alone.cpu_s, "s"))
        figures.append(plain(f"ack, {name}, p99", percentile(load.acks, 0.99) * 1e3, "ms"))
        figures.append(plain(f"rows dropped for {name}", load.dropped, "rows"))
    return figures


def _probed(server: Server, seconds: int) -> list[float]:
    """Seconds from the ack of each probe to its line, for each follower."""
    watching = _Watching(server.port, FOLLOWERS, '{service_name="bench-tail"}')
    acked: dict[str, float] = {}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    for number in range(int(seconds / PROBE_EVERY_S)):
        name = f"probe{number:05d}"
        row = {"severity": "INFO", "service": "bench-tail", "body": name}
        _post(connection, zstandard.compress(json.dumps(row).encode() + b"\n"))
        acked[name] = time.monotonic()
        time.sleep(PROBE_EVERY_S + number % 7 * 0.013)
    connection.close()
    time.sleep(SETTLE_S)
    seen = watching.found()["seen"]
    missed = sum(FOLLOWERS - len(seen.get(name, ())) for name in acked)
    if missed:
        raise RuntimeError(f"{missed} lines of probes were never seen")
    return [seen_s - acked[name] for name in acked for seen_s in seen[name]]


@dataclass
class _Load:
    """The server's CPU seconds for 1,000 rows, seconds to each ack, rows that were not sent."""

    cpu_s: float
    acks: list[float]
    dropped: int


def _loaded(server: Server, seconds: int, followers: int) -> _Load:
    watching = _Watching(server.port, followers, _QUERY) if followers else None
    count = int(seconds * LOAD_ROWS_PER_S / REQUEST_ROWS)
    interval_ns = 1_000_000_000 // LOAD_ROWS_PER_S
    bodies = records(count * REQUEST_ROWS, SEED, time.time_ns(), interval_ns, REQUEST_ROWS)
    requests = [zstandard.ZstdCompressor(level=1).compress(body) for body in bodies]
    time.sleep(SETTLE_S)
    idle_s = _idle(server.pid)
    acks: list[float] = []
    before_s, start_s = process.cpu_s(server.pid), time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    for number, body in enumerate(requests):
        time.sleep(max(0.0, start_s + number * REQUEST_ROWS / LOAD_ROWS_PER_S - time.monotonic()))
        sent_s = time.monotonic()
        _post(connection, body)
        acks.append(time.monotonic() - sent_s)
    connection.close()
    time.sleep(SETTLE_S)
    spent = process.cpu_s(server.pid) - before_s - idle_s * (time.monotonic() - start_s)
    dropped = max(watching.found()["dropped"]) if watching else 0
    return _Load(spent / (count * REQUEST_ROWS / 1000), acks, dropped)


def _idle(pid: int) -> float:
    """CPU seconds a second that the server takes by itself."""
    before_s = process.cpu_s(pid)
    time.sleep(IDLE_S)
    return (process.cpu_s(pid) - before_s) / IDLE_S


def _post(connection: http.client.HTTPConnection, body: bytes) -> None:
    connection.request("POST", "/ingest/records", body, _HEADERS)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"POST /ingest/records: {answer.status} {text[:300]!r}")
