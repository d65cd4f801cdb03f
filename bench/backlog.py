"""A backlog in the queue: how soon it shrinks after a restart, and what draining it costs.

Frames of generated rows are sent under new numbers, already compressed and faster than the store
takes them, until the rows that were acknowledged and are not stored yet hold the bytes asked for.
Then the server is killed and started again.
"""

from __future__ import annotations

import http.client
import itertools
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from bench import process
from bench.data import Data
from bench.figures import Figure, at_most, plain
from bench.server import Server
from tailrace.core.frame import Frame, Header
from tailrace.core.limits import INSERT_BYTES
from tailrace.core.payload import Facts, compress, describe
from tailrace.wire import frames as wire

CONNECTIONS = 3
FRAMES_PER_BODY = 8
# The store must be this much slower than the door, or there will be no backlog.
MOST_SENT = 6
TIMEOUT_S = 120.0
DRAIN_S = 3_600.0
STILL_S = 5.0
POLL_S = 0.25
MB = 1e6
_ROWS, _STORED = "tailrace_ingest_rows_total", "tailrace_writer_rows_total"


@dataclass
class Feed:
    """What the senders share: payloads, the next number, and what was acknowledged."""

    port: int
    payloads: list[tuple[Facts, bytes]]
    numbers: Iterator[int] = field(default_factory=itertools.count)
    lock: threading.Lock = field(default_factory=threading.Lock)
    enough: threading.Event = field(default_factory=threading.Event)
    rows: int = 0
    bytes: int = 0
    errors: list[str] = field(default_factory=list)


def measure(server: Server, data: Data, backlog_bytes: int) -> list[Figure]:
    """Build, kill, start again, drain, count. Raises RuntimeError."""
    feed = Feed(server.port, _payloads(data))
    seconds, stored = _build(server, feed, backlog_bytes)
    backlog_rows = feed.rows - stored
    full_speed = process.peak_bytes(server.pid)
    server.kill()
    start_s = time.monotonic()
    server.start()
    ready_s = time.monotonic() - start_s
    shrinks_s = server.await_metric(_STORED, 1, TIMEOUT_S, poll_s=0.05) - start_s
    row_bytes = feed.bytes / feed.rows
    # Some more may have been stored between the last look and the kill.
    last_s, pause_s = _drain(server, backlog_rows - 2 * INSERT_BYTES / row_bytes)
    drained_s = last_s - start_s
    process.wait_quiet(server.pid, DRAIN_S)
    _check(server, data, feed.rows)
    return [
        plain("sent", feed.bytes / MB, "MB"),
        plain("sent at", feed.bytes / MB / seconds, "MB/s"),
        plain("backlog, before compression", backlog_rows * row_bytes / MB, "MB"),
        plain("memory while it was built, peak resident", full_speed / MB, "MB"),
        plain("start to ready", ready_s, "s"),
        at_most("start to the first rows of the backlog stored", shrinks_s, "s", 5),
        plain("start to drained", drained_s, "s"),
        plain("drained at", backlog_rows * row_bytes / MB / drained_s, "MB/s"),
        plain("longest pause in storing", pause_s, "s"),
        at_most(
            "memory while it drained, archive included, peak resident",
            process.peak_bytes(server.pid) / MB,
            "MB",
            900,
        ),
        plain("rows there, each once", feed.rows, "rows"),
    ]


def _payloads(data: Data) -> list[tuple[Facts, bytes]]:
    raw = (data.path(number).read_bytes() for number in range(1, data.files + 1))
    return [(describe(body), compress(body)) for body in raw]


def _build(server: Server, feed: Feed, backlog_bytes: int) -> tuple[float, int]:
    """Send until the backlog is there; seconds, and rows that are stored by then."""
    start_s = time.monotonic()
    senders = [threading.Thread(target=_send, args=(feed,)) for _ in range(CONNECTIONS)]
    for sender in senders:
        sender.start()
    try:
        while not feed.errors and feed.bytes < MOST_SENT * backlog_bytes:
            time.sleep(POLL_S)
            found = server.metrics()
            waiting = found.get(_ROWS, 0) - found.get(_STORED, 0)
            if feed.rows and waiting * feed.bytes / feed.rows >= backlog_bytes:
                break
    finally:
        feed.enough.set()
        for sender in senders:
            sender.join()
    if feed.errors:
        raise RuntimeError(f"backlog: {feed.errors[0]}")
    stored = int(server.metrics().get(_STORED, 0))
    if (feed.rows - stored) * feed.bytes / feed.rows < backlog_bytes * 0.95:
        raise RuntimeError(f"no backlog: {feed.bytes} bytes were sent and most of them stored")
    return time.monotonic() - start_s, stored


def _send(feed: Feed) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", feed.port, timeout=TIMEOUT_S)
    try:
        while not feed.enough.is_set() and not feed.errors:
            with feed.lock:
                numbers = list(itertools.islice(feed.numbers, FRAMES_PER_BODY))
            found = [_frame(feed, number) for number in numbers]
            _post(connection, wire.encode(found))
            with feed.lock:
                feed.rows += sum(frame.header.rows for frame in found)
                feed.bytes += sum(frame.header.bytes for frame in found)
    except (OSError, http.client.HTTPException, RuntimeError) as error:
        feed.errors.append(repr(error))
    finally:
        connection.close()


def _frame(feed: Feed, number: int) -> Frame:
    facts, payload = feed.payloads[number % len(feed.payloads)]
    header = Header(
        "default",
        "bench-backlog",
        1,
        number,
        facts.rows,
        facts.bytes,
        facts.checksum,
        time.time_ns(),
    )
    return Frame(header, payload)


def _post(connection: http.client.HTTPConnection, body: bytes) -> None:
    """One body, until it is acknowledged."""
    while True:
        connection.request("POST", "/ingest/frames", body)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status == 200:
            return
        if answer.status not in (429, 503):
            raise RuntimeError(f"POST /ingest/frames: {answer.status} {text[:300]!r}")
        time.sleep(float(answer.getheader("Retry-After") or 1))


def _drain(server: Server, rows: float) -> tuple[float, float]:
    """Until `rows` are stored and no more come; when the last ones were, and the longest pause."""
    deadline = time.monotonic() + DRAIN_S
    stored, last_s, pause_s = 0.0, time.monotonic(), 0.0
    while stored < rows or time.monotonic() - last_s < STILL_S:
        if time.monotonic() > deadline:
            raise RuntimeError(f"the backlog was not drained in {DRAIN_S:.0f} s")
        found = server.metrics().get(_STORED, 0.0)
        if found != stored:
            pause_s = max(pause_s, time.monotonic() - last_s)
            stored, last_s = found, time.monotonic()
        time.sleep(POLL_S)
    return last_s, pause_s


def _check(server: Server, data: Data, rows: int) -> None:
    span_s = (data.end_ns - data.start_ns) // 1_000_000_000 + 2
    found = server.count('{service_name=~".+"}', span_s, data.end_ns)
    if found != rows:
        raise RuntimeError(f"{rows} rows were acknowledged; a query counts {found}")
