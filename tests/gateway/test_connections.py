"""The HTTP port against clients that do not end what they begin, on real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tailrace.core import limits
from tailrace.core.metrics import Metrics
from tailrace.gateway.connections import Connections
from tailrace.gateway.httpserver import protocol

GET = b"GET /early HTTP/1.1\r\nHost: a\r\n"
POST = b"POST /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
DEADLINE_S = 20.0


class Time:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Port:
    def __init__(self, port: int, table: Connections, time: Time, metrics: Metrics) -> None:
        self.port, self.table, self.time, self.metrics = port, table, time, metrics

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def counted(self, connections: int) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while self.metrics.get("tailrace_connections") != connections:
                await asyncio.sleep(0.005)

    def closed(self, reason: str) -> float:
        return self.metrics.get("tailrace_connections_closed_total", reason)

    def pass_time(self, seconds: float) -> None:
        self.time.now_s += seconds
        self.table.sweep()


async def take(request: Request) -> Response:
    try:
        return PlainTextResponse(str(len(await request.body())))
    except ClientDisconnect:
        return PlainTextResponse("nobody reads it")


async def early(request: Request) -> Response:
    return PlainTextResponse("early")


async def large(request: Request) -> Response:
    return Response(bytes(64 * limits.MIB))


def serve(use: Callable[[Port], Awaitable[None]], **options: Any) -> None:
    async def main() -> None:
        time, metrics = Time(), Metrics()
        table = Connections(metrics, now_s=time, **options)
        routes = [
            Route("/body", take, methods=["POST"]),
            Route("/early", early, methods=["GET", "POST"]),
            Route("/large", large),
        ]
        config = uvicorn.Config(
            Starlette(routes=routes),
            http=protocol(table),  # type: ignore[arg-type]
            ws="none",
            port=0,
            log_config=None,
            lifespan="off",
        )
        logging.getLogger("uvicorn").setLevel(logging.ERROR)
        server = uvicorn.Server(config)
        server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.005)
        port = server.servers[0].sockets[0].getsockname()[1]
        try:
            async with asyncio.timeout(DEADLINE_S):
                await use(Port(port, table, time, metrics))
        finally:
            server.force_exit = server.should_exit = True
            await serving

    asyncio.run(main())


async def ended(reader: asyncio.StreamReader) -> bytes:
    """What came until the other side closed."""
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""


async def answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    return head.split(b"\r\n")[0] + b" " + await reader.readexactly(length)


def test_a_head_that_does_not_end_in_time_is_left() -> None:
    async def use(port: Port) -> None:
        reader, writer = await port.open()
        writer.write(GET)
        await port.counted(1)
        await asyncio.sleep(0.05)
        port.pass_time(9)
        writer.write(b"X-Slow: 1\r\n")  # another line is no new beginning
        await asyncio.sleep(0.05)
        port.pass_time(2)
        assert await ended(reader) == b""
        assert port.closed("head") == 1
        await port.counted(0)
        writer.close()

    serve(use)


def test_a_connection_that_asks_nothing_is_left_after_the_time_of_an_idle_one() -> None:
    async def use(port: Port) -> None:
        reader, writer = await port.open()
        await port.counted(1)
        writer.write(b"\r\n\r\n")  # is not a request
        await asyncio.sleep(0.05)
        port.pass_time(74)
        await port.counted(1)
        port.pass_time(2)
        assert await ended(reader) == b""
        assert port.closed("idle") == 1
        writer.close()

    serve(use)


def test_a_slow_handler_and_a_body_that_is_read_are_not_idle() -> None:
    async def use(port: Port) -> None:
        reader, writer = await port.open()
        writer.write(POST + b"3\r\nabc\r\n")
        await port.counted(1)
        await asyncio.sleep(0.05)
        port.pass_time(1000)
        writer.write(b"0\r\n\r\n" + GET + b"\r\n")
        assert await answer(reader) == b"HTTP/1.1 200 OK 3"
        assert await answer(reader) == b"HTTP/1.1 200 OK early"
        writer.close()

    serve(use)


def test_a_body_that_nobody_reads_and_that_never_ends_is_left() -> None:
    async def use(port: Port) -> None:
        reader, writer = await port.open()
        writer.write(POST.replace(b"/body", b"/early") + b"3\r\nabc\r\n")
        assert await answer(reader) == b"HTTP/1.1 200 OK early"
        for _ in range(4):
            writer.write(b"1\r\na\r\n")
            await asyncio.sleep(0.02)
            port.pass_time(20)
        assert await ended(reader) == b""
        assert port.closed("unread") == 1
        writer.close()

    serve(use)


def test_an_answer_that_is_not_read_is_given_up() -> None:
    async def use(port: Port) -> None:
        _reader, writer = await port.open()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        await port.counted(1)
        while not port.closed("write"):
            await asyncio.sleep(0.02)
            port.pass_time(1)
        await port.counted(0)
        writer.transport.abort()

    serve(use)


@pytest.mark.parametrize(
    "head",
    [
        GET + b"X-Large: " + b"a" * (limits.HEAD_BYTES + 1) + b"\r\n\r\n",
        b"GET /early?" + b"a" * (limits.HEAD_BYTES + 1) + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        GET + b"a: b\r\n" * 20_000 + b"\r\n",
        GET + b"X-Endless: " + b"a" * (4 * limits.MIB),
        POST[:-2] + b"X-Large: " + b"a" * limits.HEAD_BYTES + b"\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    ],
    ids=["header", "url", "many", "endless", "with a body"],
)
def test_a_head_that_is_too_large_is_refused(head: bytes) -> None:
    async def use(port: Port) -> None:
        reader, writer = await port.open()
        writer.write(head)
        with contextlib.suppress(ConnectionError):
            assert (await reader.readline()).startswith(b"HTTP/1.1 431 ")
        await port.counted(0)
        assert port.closed("head_bytes") == 1
        writer.close()

    serve(use)


@pytest.mark.parametrize(
    "rest",
    [
        b"3;x=" + b"a" * limits.MIB,
        b"3\r\nabc\r\n0\r\nX-Trailer: " + b"a" * limits.MIB,
        b"3\r\nabc\r\n0\r\n" + b"a: b\r\n" * 100_000,
    ],
    ids=["extension", "trailer", "trailers"],
)
def test_framing_that_holds_no_data_does_not_go_on(rest: bytes) -> None:
    async def use(port: Port) -> None:
        reader, writer = await port.open()
        writer.write(POST + rest)
        await ended(reader)
        assert port.closed("framing") == 1
        await port.counted(0)
        writer.close()

    serve(use)


def test_small_chunks_and_trailers_are_honest() -> None:
    async def use(port: Port) -> None:
        reader, writer = await port.open()
        writer.write(POST + b"1\r\na\r\n" * 50_000 + b"0\r\nX-Sum: 1\r\n\r\n")
        assert await answer(reader) == b"HTTP/1.1 200 OK 50000"
        writer.close()

    serve(use)


def test_a_body_larger_than_a_head_may_be_comes_in_one_piece() -> None:
    async def use(port: Port) -> None:
        reader, writer = await port.open()
        length = 100_000
        head = b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % length
        for _ in range(5):
            writer.write(head + b"a" * length)
            assert await answer(reader) == b"HTTP/1.1 200 OK 100000"
        writer.close()

    serve(use)


def test_too_many_connections_of_one_peer_or_of_all_are_refused_and_come_back() -> None:
    async def use(port: Port) -> None:
        held = [await port.open() for _ in range(3)]
        await port.counted(3)
        reader, refused = await port.open()
        said = await ended(reader)
        assert said.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: " in said
        assert port.closed("peer") == 1
        held[0][1].close()
        await port.counted(2)
        reader, writer = await port.open()
        writer.write(GET + b"\r\n")
        assert await answer(reader) == b"HTTP/1.1 200 OK early"
        for _, other in (*held, (None, writer), (None, refused)):
            other.close()

    serve(use, most=10, most_per_peer=3)
