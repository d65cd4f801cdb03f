"""What a tenant that sends all it can does to the acknowledgements of tenants that send little.

Three quiet tenants send REQUESTS_PER_S requests of 50 rows each in all, due at fixed moments, first
alone, then beside a noisy one on NOISY_CONNECTIONS connections. The server is the real one, in a
process of its own; its tenants are told by a header, for there are no tokens here. As a control the
noisy one sends in the name of a quiet one too: then nothing is to be shared fairly. Last, it has a
limit, does not heed what it is told, and each of its connections tries again after 50 ms. Before
each the server comes to rest: what one left to be stored is no noise of the next.
"""

from __future__ import annotations

import http.client
import multiprocessing
import socket
import threading
import time
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from bench import process
from bench.figures import Figure, at_most, percentile, plain
from tailrace.app.claims import claim_port
from tailrace.app.config import Config, load
from tailrace.app.demo.shop import records
from tailrace.app.server import Runtime
from tailrace.core import access, limits
from tailrace.core.payload import compress

REQUESTS_PER_S = 20
QUIET = ("quiet-a", "quiet-b", "quiet-c")
# So many that none is still busy when its next request is due.
QUIET_CONNECTIONS = 30
NOISY_CONNECTIONS = 32
REST_S = 300.0
# How much later an acknowledgement of theirs may come than when they are alone.
TIMES = 2.0
HEADER = b"x-bench-tenant"
LIMIT = "[{name='limited', bytes_per_second='4MB'}]"
# Who makes the noise; the second is the control.
NOISE = (
    ("noisy", "a noisy one"),
    (QUIET[0], "a quiet one's own name"),
    ("limited", "one over its limit"),
)
BODIES = (("small bodies", 50, False), ("1 MB", 2_500, False), ("4 MB zstd", 10_000, True))


class _Server(Runtime):
    """The real one, but that a header names the tenant."""

    def _application(self) -> Any:
        application = super()._application()

        async def asked(scope: Any, receive: Any, send: Any) -> None:
            named = dict(scope.get("headers", ())).get(HEADER, b"default").decode()
            scope[access.KEY] = access.Principal(named, frozenset(access.Scope))
            await application(scope, receive, send)

        return asked


def _serve(directory: str, listener: socket.socket, started: Event) -> None:
    import uvloop

    config: Config = load(
        None, {"TAILRACE_SERVER__DATA_DIR": directory, "TAILRACE_LIMITS__TENANTS": LIMIT}
    )

    async def main() -> None:
        await _Server(config, listener, started.set).run()

    uvloop.run(main())


def _body(rows: int, seed: int) -> bytes:
    return b"".join(records(rows, seed, time.time_ns(), 1_000_000, rows))


def _post(connection: http.client.HTTPConnection, tenant: str, body: bytes, zstd: bool) -> int:
    headers = {HEADER.decode(): tenant} | ({"Content-Encoding": "zstd"} if zstd else {})
    connection.request("POST", "/ingest/records", body, headers)
    answer = connection.getresponse()
    answer.read()
    return answer.status


def _noise(port: int, tenant: str, rows: int, zstd: bool, stop: Event, sent: Any) -> None:
    body = _body(rows, 1)
    packed = compress(body) if zstd else body

    def send() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while not stop.is_set():
            if _post(connection, tenant, packed, zstd) == 200:
                with sent.get_lock():
                    sent.value += len(body)
            else:
                time.sleep(0.05)

    threads = [threading.Thread(target=send) for _ in range(NOISY_CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _quiet(port: int, seconds: float) -> list[float]:
    """Milliseconds from the moment each request was due to its acknowledgement."""
    body = _body(50, 2)
    taken: list[float] = []
    begin_s = time.monotonic() + 0.2
    every_s = QUIET_CONNECTIONS / REQUESTS_PER_S

    def send(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        due_s = begin_s + number / REQUESTS_PER_S
        while due_s < begin_s + seconds:
            time.sleep(max(0.0, due_s - time.monotonic()))
            status = _post(connection, QUIET[number % len(QUIET)], body, False)
            taken.append((time.monotonic() - due_s) * 1e3 if status == 200 else float("inf"))
            due_s += every_s

    threads = [threading.Thread(target=send, args=(n,)) for n in range(QUIET_CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return taken


def _beside(port: int, seconds: float, tenant: str, rows: int, zstd: bool) -> tuple[Any, float]:
    context = multiprocessing.get_context("spawn")
    stop, sent = context.Event(), context.Value("q", 0)
    noise = context.Process(target=_noise, args=(port, tenant, rows, zstd, stop, sent))
    noise.start()
    while not sent.value:
        time.sleep(0.05)
    before = sent.value
    taken = _quiet(port, seconds)
    rate = (sent.value - before) / seconds
    stop.set()
    noise.join()
    return taken, rate


def measure(scratch: Path, seconds: float) -> list[Figure]:
    """The quiet ones alone, then beside each noise."""
    context = multiprocessing.get_context("spawn")
    with claim_port("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        started = context.Event()
        server = context.Process(target=_serve, args=(str(scratch), listener, started))
        server.start()
        try:
            if not started.wait(60):
                raise RuntimeError("the server did not start")
            assert server.pid
            return _measure(server.pid, port, seconds)
        finally:
            server.terminate()
            server.join(60)
            server.kill()


def _measure(pid: int, port: int, seconds: float) -> list[Figure]:
    _quiet(port, 2)
    process.wait_quiet(pid, REST_S)
    alone = _quiet(port, seconds)
    alone_p99 = percentile(alone, 0.99)
    figures = [
        plain("ack of quiet tenants, alone, p50", percentile(alone, 0.5), "ms"),
        plain("ack of quiet tenants, alone, p99", alone_p99, "ms"),
    ]
    for words, rows, zstd in BODIES:
        for tenant, who in NOISE:
            process.wait_quiet(pid, REST_S)
            taken, rate = _beside(port, seconds, tenant, rows, zstd)
            name, p99 = f"beside {words} of {who}", percentile(taken, 0.99)
            against = f"{name}: p99 against alone"
            times = p99 / alone_p99
            control = tenant == QUIET[0]
            figures += [
                plain(f"{name}: ack, p99", p99, "ms"),
                plain(f"{name}: noise taken in", rate / limits.MIB, "MiB/s"),
                plain(against, times, "times")
                if control
                else at_most(against, times, "times", TIMES),
            ]
    return figures
