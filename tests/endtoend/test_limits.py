"""Excess at the real command: too fast, too slow, too many."""

from __future__ import annotations

import resource
import secrets
import select
import socket
import time
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest
from running import Server, Start

from tailrace.core.frame import Codec, Frame, Header, Lane, Signal
from tailrace.core.payload import compress, describe
from tailrace.wire import frames

MIB = 1 << 20
IDLE_CONNECTIONS = 2_000
IDLE_BYTES = 150 * MIB
LINES = "/ingest/lines"


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=30)


def asks(connection: socket.socket) -> bytes:
    """The status line of the answer to a request on a connection that stays."""
    connection.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
    said = b""
    while not said.endswith(b"ok\n") and (part := connection.recv(4096)):
        said += part
    return said.split(b"\r\n")[0]


def test_a_tenant_over_its_rate_is_told_when_to_come_back_and_the_day_is_remembered(
    start: Start, tmp_path: Path
) -> None:
    server = start(
        TAILRACE_LIMITS__BYTES_PER_SECOND="100KB",
        TAILRACE_LIMITS__BURST="1s",
        TAILRACE_LIMITS__BYTES_PER_DAY="400KB",
    )
    lines = b"x" * 99 + b"\n"
    assert server.post(LINES, lines * 3_000).status == 200
    refused = server.post(LINES, lines)
    assert refused.status == 429
    assert refused.json()["reason"] == "bytes_rate"
    wait_s = int(refused.headers["retry-after"])
    assert 1 <= wait_s <= 2
    server.until(lambda: server.post(LINES, lines * 1_000).status == 200, "let in", 10)
    usage = server.get("/api/v1/limits").json()
    assert usage["usage"]["bytes_today"] == 400_000
    assert usage["refused"]["bytes_rate"]["requests"] >= 1
    assert server.metric("tailrace_limited_requests_total", "bytes_rate") >= 1
    assert server.stop() == 0
    server.start()
    answer = server.post(LINES, lines)
    assert (answer.status, answer.json()["reason"]) == (429, "bytes_day")
    assert int(answer.headers["retry-after"]) > 1


def test_slow_heads_are_left_and_others_are_served_meanwhile(start: Start) -> None:
    server = start(TAILRACE_LIMITS__HEAD_TIME="1s")
    with ExitStack() as held:
        slow = [held.enter_context(connect(server)) for _ in range(200)]
        for connection in slow:
            connection.sendall(b"POST /ingest/lines HTTP/1.1\r\nHost: a\r\n")
        gone: set[socket.socket] = set()
        deadline = time.monotonic() + 20
        while len(gone) < len(slow):
            assert time.monotonic() < deadline, f"{len(slow) - len(gone)} are still there"
            assert server.post(LINES, b"served\n").status == 200
            for connection in set(slow) - gone:
                try:
                    connection.sendall(b"X-Slow: 1\r\n")
                except OSError:
                    gone.add(connection)
    assert server.metric("tailrace_connections_closed_total", "head") == len(slow)


def test_idle_connections_cost_little_and_stay_usable(start: Start) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < IDLE_CONNECTIONS + 100:
        pytest.skip(f"this machine allows {hard} open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, IDLE_CONNECTIONS + 100), hard))
    server = start()
    before = server.forget_peak()
    with ExitStack() as held:
        idle = [held.enter_context(connect(server)) for _ in range(IDLE_CONNECTIONS)]
        assert {asks(connection) for connection in idle} == {b"HTTP/1.1 200 OK"}
        added = server.peak_bytes() - before
        assert added < IDLE_BYTES, f"{added / MIB:.0f} MiB for {IDLE_CONNECTIONS} connections"
        assert server.metric("tailrace_connections") >= IDLE_CONNECTIONS
        assert server.post(LINES, b"served\n").status == 200
        assert asks(idle[0]) == b"HTTP/1.1 200 OK"
        ended = select.poll()
        for connection in idle:
            ended.register(connection, select.POLLIN)
        assert not ended.poll(0), "some were closed"


def is_served(connection: socket.socket) -> bool:
    try:
        return asks(connection).endswith(b"200 OK")
    except (ConnectionResetError, BrokenPipeError):
        return False


def test_one_peer_cannot_take_all_connections(start: Start) -> None:
    server = start(TAILRACE_LIMITS__CONNECTIONS_PER_PEER="20")
    with ExitStack() as held:
        # One that asked whether the server is ready may not be gone yet.
        answered = sum(is_served(held.enter_context(connect(server))) for _ in range(21))
        assert answered in (19, 20)
        late = [held.enter_context(connect(server)) for _ in range(2)]
        # The first may have had the place of one that went; whoever is refused is told at once.
        told, _, _ = select.select(late, [], [], 10.0)
        assert told
        assert all(one.recv(100).startswith(b"HTTP/1.1 503 ") for one in told)
    server.until(lambda: server.get("/health").status == 200, "served again")


def body(lane: Lane, signal: Signal, number: int) -> bytes:
    """A frame of some 100 kB that no compression makes smaller."""
    line = msgspec.json.encode({"body": secrets.token_hex(100_000)})
    if signal is Signal.METRICS:
        line = b'{"time":1790000000000000000,"name":"up","value":1}'
    facts = describe(line + b"\n")
    about = (facts.rows, facts.bytes, facts.checksum, 1, lane, signal, Codec.RECORDS)
    header = Header("default", "test", number, 0, *about)
    return frames.encode([Frame(header, compress(line + b"\n"))])


def test_a_queue_that_fills_sheds_bulk_then_metrics_then_logs_and_recovers(
    start: Start, tmp_path: Path
) -> None:
    """Nothing leaves the queue while the archive waits for company."""
    server = start(TAILRACE_QUEUE__MAX_SIZE="16MiB", TAILRACE_ARCHIVE__STEP="1h")
    first: dict[str, int] = {}
    kinds = {
        "bulk": (Lane.BULK, Signal.LOGS),
        "metrics": (Lane.BOTH, Signal.METRICS),
        "logs": (Lane.BOTH, Signal.LOGS),
    }
    for number in range(1, 400):
        for name, (lane, signal) in kinds.items():
            answer = server.post("/ingest/frames", body(lane, signal, number))
            if answer.status == 503:
                assert int(answer.headers["retry-after"]) >= 1
                first.setdefault(name, number)
        if len(first) == 3:
            break
    assert 1 < first["bulk"] < first["metrics"] < first["logs"]
    assert server.metric("tailrace_limited_requests_total", "overload_metrics") >= 1
    assert '"sheds"' in server.log() or "sheds=" in server.log()
    server.kill()
    server.environment["TAILRACE_ARCHIVE__STEP"] = "1s"
    server.start()
    late = body(Lane.BULK, Signal.LOGS, 1_000)
    server.until(lambda: server.post("/ingest/frames", late).status == 200, "recovered", 60)
    server.until(lambda: server.metric("tailrace_overload_level") == 0, "calm")
