"""Latency at 5,000 rows a second: small requests on time, and probes that are looked for.

Requests are due at fixed moments, whatever became of the ones before; an ack's latency counts from
the moment its request was due, so a slow answer cannot hide those that wait behind it. A probe is a
request of one row of its own service; it is visible at the moment an answer to a query held it.
"""

from __future__ import annotations

import http.client
import json
import queue
import threading
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import zstandard

from bench.figures import Figure, at_most, percentile, plain
from bench.server import Server
from tailrace.app.demo.shop import records

ROWS_PER_S = 5_000
REQUEST_ROWS = 50
PROBE_EVERY_S = 0.25
POLL_S = 0.05
CONNECTIONS = 6
LEAD_S = 1.0
VISIBLE_S = 30.0
SEED = 20_260_102
_PROBES = '{service_name="bench-probe"}'
_HEADERS = {"Content-Type": "application/x-ndjson", "Content-Encoding": "zstd"}


@dataclass
class Request:
    """Due at `due_s` of the monotonic clock. `probe` names its one row; "" for plain load."""

    due_s: float
    body: bytes
    probe: str = ""
    acked_s: float = 0.0


@dataclass
class Run:
    """What the threads share."""

    port: int
    requests: list[Request]
    work: queue.SimpleQueue[Request | None] = field(default_factory=queue.SimpleQueue)
    awaited: dict[str, float] = field(default_factory=dict)
    visible: dict[str, float] = field(default_factory=dict)
    polls: int = 0
    sending: threading.Event = field(default_factory=threading.Event)
    errors: list[str] = field(default_factory=list)


def measure(server: Server, seconds: int) -> list[Figure]:
    """Load for `seconds`, then wait for the last probes. Raises RuntimeError."""
    start_s = time.monotonic() + LEAD_S
    plain_load = _load(seconds, start_s)
    # Compressing the load took a while: the first request is due only now.
    shift_s = time.monotonic() + LEAD_S - start_s
    for request in plain_load:
        request.due_s += shift_s
    probes = _probes(seconds, start_s + shift_s)
    run = Run(server.port, sorted(plain_load + probes, key=lambda one: one.due_s))
    _run(run)
    if run.errors:
        raise RuntimeError(f"latency: {run.errors[0]}")
    missing = [one.probe for one in probes if one.probe not in run.visible]
    if missing:
        raise RuntimeError(f"{len(missing)} probes were acknowledged and never seen")
    return _figures(run, plain_load, probes, seconds)


def _figures(run: Run, load: list[Request], probes: list[Request], seconds: int) -> list[Figure]:
    acks = [(one.acked_s - one.due_s) * 1e3 for one in load]
    seen = [max(run.visible[one.probe] - one.acked_s, 0.0) for one in probes]
    last_s = max(one.acked_s for one in load) - min(one.due_s for one in load)
    return [
        plain("rows a second", len(load) * REQUEST_ROWS / max(last_s, seconds), "rows/s"),
        plain("ack, p50", percentile(acks, 0.5), "ms"),
        at_most("ack, p99", percentile(acks, 0.99), "ms", 50),
        plain("ack, worst", max(acks), "ms"),
        plain("acked to visible, p50", percentile(seen, 0.5), "s"),
        at_most("acked to visible, p99", percentile(seen, 0.99), "s", 1.5),
        plain("acked to visible, worst", max(seen), "s"),
        plain("probes", len(probes), "probes"),
        plain("polls", run.polls, "queries"),
    ]


def _load(seconds: int, start_s: float) -> list[Request]:
    count = seconds * ROWS_PER_S
    interval_ns = 1_000_000_000 // ROWS_PER_S
    blocks = records(count, SEED, time.time_ns(), interval_ns, REQUEST_ROWS)
    compressor = zstandard.ZstdCompressor(level=1)
    every_s = REQUEST_ROWS / ROWS_PER_S
    return [
        Request(start_s + n * every_s, compressor.compress(block)) for n, block in enumerate(blocks)
    ]


def _probes(seconds: int, start_s: float) -> list[Request]:
    """Without a time of their own: they get the time of ingest."""
    found = []
    for n in range(int(seconds / PROBE_EVERY_S)):
        name = f"probe{n:05d}"
        row = {"severity": "INFO", "service": "bench-probe", "body": name}
        body = zstandard.ZstdCompressor(level=1).compress(json.dumps(row).encode() + b"\n")
        # Off the beat of the load and of the writer, so that probes fall at all its moments.
        found.append(Request(start_s + n * PROBE_EVERY_S + n % 7 * 0.013, body, name))
    return found


def _run(run: Run) -> None:
    run.sending.set()
    senders = [threading.Thread(target=_send, args=(run,)) for _ in range(CONNECTIONS)]
    poller = threading.Thread(target=_poll, args=(run,))
    for thread in (*senders, poller):
        thread.start()
    for request in run.requests:
        time.sleep(max(request.due_s - time.monotonic(), 0))
        run.work.put(request)
        if run.errors:
            break
    for _ in senders:
        run.work.put(None)
    for thread in senders:
        thread.join()
    run.sending.clear()
    poller.join()


def _send(run: Run) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", run.port, timeout=30)
    while (request := run.work.get()) is not None:
        try:
            connection.request("POST", "/ingest/records", request.body, _HEADERS)
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            run.errors.append(repr(error))
            break
        if answer.status != 200:
            run.errors.append(f"POST /ingest/records: {answer.status} {text[:300]!r}")
            break
        request.acked_s = time.monotonic()
        if request.probe:
            run.awaited[request.probe] = request.acked_s
    connection.close()


def _poll(run: Run) -> None:
    """Ask for the probes' service while an acknowledged probe is awaited."""
    connection = http.client.HTTPConnection("127.0.0.1", run.port, timeout=30)
    until_s = 0.0
    while run.sending.is_set() or len(run.visible) < len(run.awaited):
        until_s = 0.0 if run.sending.is_set() else until_s or time.monotonic() + VISIBLE_S
        if run.errors or (until_s and time.monotonic() > until_s):
            break
        if len(run.visible) < len(run.awaited):
            try:
                _look(run, connection)
            except (OSError, http.client.HTTPException, ValueError) as error:
                run.errors.append(f"poll: {error!r}")
                break
        time.sleep(POLL_S)
    connection.close()


def _look(run: Run, connection: http.client.HTTPConnection) -> None:
    now = time.time_ns()
    parameters = {
        "query": _PROBES,
        "start": now - 60_000_000_000,
        "end": now + 60_000_000_000,
        "limit": 400,
    }
    connection.request("GET", f"/loki/api/v1/query_range?{urlencode(parameters)}")
    answer = connection.getresponse()
    body = answer.read()
    seen_s = time.monotonic()
    if answer.status != 200:
        raise ValueError(f"{answer.status} {body[:300]!r}")
    run.polls += 1
    found: dict[str, Any] = json.loads(body)
    for stream in found["data"]["result"]:
        for entry in stream["values"]:
            run.visible.setdefault(entry[1], seen_s)
