"""What each door costs to a durable acknowledgement, in a process that does nothing else."""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
import sys
from pathlib import Path

from bench import process
from bench.doorbodies import ALL
from bench.figures import Figure, at_least, plain

_MINIMUM_S = 4.0


def measure(scratch: Path, seconds: float) -> list[Figure]:
    """Every door after the other, each with a fresh process. Raises RuntimeError."""
    found: list[Figure] = []
    for name in ALL:
        found += _http(name, scratch / name, max(_MINIMUM_S, seconds / len(ALL)))
        shutil.rmtree(scratch / name, ignore_errors=True)
    return found


def _http(name: str, directory: Path, seconds: float) -> list[Figure]:
    directory.mkdir(parents=True, exist_ok=True)
    load = ALL[name]()
    with subprocess.Popen(
        [sys.executable, "-m", "bench.doorserver", str(directory / "queue")],
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            assert server.stdout
            port = int(server.stdout.readline() or 0)
            _client(port, name, 1.0)  # imports and caches of the first request are not the door
            before_s, before = process.cpu_s(server.pid), _rows(port)
            said = _client(port, name, seconds)
            cpu_s = process.cpu_s(server.pid) - before_s
            rows = _rows(port) - before
            peak = process.peak_bytes(server.pid)
        finally:
            server.terminate()
    if rows < said["rows"]:
        raise RuntimeError(f"{load.name}: {said['rows']} rows were acknowledged, {rows} are there")
    rate = rows / cpu_s
    return [
        at_least(f"{load.name}: rows a CPU second", rate, "rows/s", load.goal),
        plain(f"{load.name}: as sent", rate * load.row_bytes / 1e6, "MB/s"),
        plain(f"{load.name}: rows a second, client on the same cores", rows / said["seconds"], ""),
        plain(f"{load.name}: peak resident", peak / 1e6, "MB"),
    ]


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
