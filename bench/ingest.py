"""Ingest at full speed: throughput, CPU against the bare engine, memory, bytes on disk."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench import baseline, process
from bench.data import Data
from bench.figures import Figure, at_least, at_most, plain
from bench.server import Server
from tailrace.guard.kinds import KINDS

SETTLE_S = 600.0
# An archive step waits this long for company, and old parts of the store linger a while.
ARCHIVE_S = 600.0
MINUTE_S = 60.0
MB = 1e6
_UNGUARDED = f"""
[guard]
fields = []
disable = {json.dumps(sorted(KINDS))}
"""


def load(server: Server, data: Data) -> dict[str, Any]:
    """Send all of `data` and wait until it is stored, archived and at rest."""
    start_cpu_s = process.cpu_s(server.pid)
    client = send(server, data)
    visible_s = server.await_metric("tailrace_writer_rows_total", data.rows, SETTLE_S)
    check(server, data)
    server.await_metric("tailrace_archive_rows_total", data.rows, ARCHIVE_S, poll_s=1.0)
    process.wait_quiet(server.pid, SETTLE_S)
    return {
        "client": client,
        "cpu_s": process.cpu_s(server.pid) - start_cpu_s,
        "visible_s": visible_s - client["start_s"],
        "peak_bytes": process.peak_bytes(server.pid),
    }


def check(server: Server, data: Data) -> None:
    """Every row is there, once, as a query sees it. Raises RuntimeError."""
    span_s = (data.end_ns - data.start_ns) // 1_000_000_000 + 2
    found = server.count('{service_name=~".+"}', span_s, data.end_ns)
    if found != data.rows:
        raise RuntimeError(f"{data.rows} rows were acknowledged; a query counts {found}")


def send(server: Server, data: Data) -> dict[str, Any]:
    """All of `data`, until the last is acknowledged; see client.py. Raises RuntimeError."""
    arguments = [str(server.port), str(data.directory), str(data.files)]
    command = [sys.executable, "-m", "bench.client", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3_600, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"the client failed:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def measure(server: Server, data: Data, scratch: Path) -> list[Figure]:
    """The server first, then the bare engine in its two forms, on the same files."""
    loaded = load(server, data)
    wait_for_old_parts()
    store = process.tree_bytes(server.data / "store")
    archive = process.tree_bytes(server.data / "archive")
    metrics = server.metrics()
    server.stop()
    client = loaded["client"]
    figures = [
        plain("rows", data.rows, "rows"),
        plain("bytes a row", data.bytes / data.rows, "bytes"),
        at_least(
            "until the last ack (client on the same cores)",
            data.bytes / MB / client["seconds"],
            "MB/s",
            45,
        ),
        plain("until all rows are visible", data.bytes / MB / loaded["visible_s"], "MB/s"),
        plain("client told to wait", client["waits"], "times"),
        plain("client CPU", client["cpu_s"], "s"),
        plain("inserts", metrics.get("tailrace_writer_inserts_total", 0), "inserts"),
        plain("server CPU, archive and merges included", loaded["cpu_s"], "s"),
    ]
    bare: dict[bool, list[float]] = {True: [], False: []}
    for number, form in enumerate(baseline.FORMS, 1):
        found = baseline.measure(data, scratch / f"bare-{number}", form)
        bare[form.indexed].append(found["cpu_s"])
        size = found["active_bytes"] / data.bytes
        figures.append(plain(f"bare engine CPU, {form.name}", found["cpu_s"], "s"))
        figures.append(plain(f"bare engine on disk, {form.name}", size, "bytes per byte in"))
    cpu_s = loaded["cpu_s"]
    with Server(scratch / "unguarded", _UNGUARDED) as unguarded:
        without_s = load(unguarded, data)["cpu_s"]
    return [
        *figures,
        plain("server CPU with all detectors of the guard off", without_s, "s"),
        at_least("rows a CPU second against that", without_s / cpu_s, "times", 0.85),
        at_most("CPU against the cheaper bare form", cpu_s / min(bare[True]), "times", 1.5),
        plain("CPU against a table without indexes", cpu_s / min(bare[False]), "times"),
        plain("rows a CPU second", data.rows / cpu_s, "rows/s"),
        plain("MB a CPU second", data.bytes / MB / cpu_s, "MB/s"),
        at_most("memory, peak resident", loaded["peak_bytes"] / MB, "MB", 900),
        at_most("hot store on disk, after a minute", store / data.bytes, "bytes per byte in", 0.21),
        plain("archive on disk", archive / data.bytes, "bytes per byte in"),
    ]


def wait_for_old_parts() -> None:
    """A minute, in which the store lets go of the parts that were merged."""
    time.sleep(MINUTE_S)
