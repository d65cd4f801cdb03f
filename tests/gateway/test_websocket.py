"""A websocket's handshake is answered whatever it holds."""

from __future__ import annotations

import asyncio
import socket

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from tailrace.gateway.websocket import WebSocketProtocol

HANDSHAKE = (
    b"Host: here\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


async def accepted(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.close()


async def left_alone() -> int:
    """How a websocket ends whose client reads nothing and answers no ping."""
    code = asyncio.get_running_loop().create_future()

    async def talking(websocket: WebSocket) -> None:
        await websocket.accept()
        talk = asyncio.ensure_future(_talk(websocket))
        code.set_result((await websocket.receive())["code"])
        await asyncio.gather(talk, return_exceptions=True)

    app = Starlette(routes=[WebSocketRoute("/", talking)])
    config = uvicorn.Config(
        app, ws=WebSocketProtocol, log_config=None, ws_ping_interval=0.05, ws_ping_timeout=0.05
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server.serve([listener]))
        reader, writer = await asyncio.open_connection(*listener.getsockname(), limit=1024)
        writer.write(b"GET / HTTP/1.1\r\n" + HANDSHAKE + b"\r\n")
        async with asyncio.timeout(10):
            found: int = await code
        writer.transport.abort()
        assert reader
        server.should_exit = True
        await serving
    return found


async def _talk(websocket: WebSocket) -> None:
    while True:
        await websocket.send_text("x" * 1_000_000)


def test_a_client_that_neither_reads_nor_answers_is_let_go() -> None:
    assert asyncio.run(left_alone()) == 1005


async def answered(request: bytes) -> bytes:
    """The status of the answer to a request; after a refusal the connection must end."""
    app = Starlette(routes=[WebSocketRoute("/", accepted)])
    server = uvicorn.Server(uvicorn.Config(app, ws=WebSocketProtocol, log_config=None))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server.serve([listener]))
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(request)
        async with asyncio.timeout(10):
            status = (await reader.readuntil(b"\r\n")).split(b" ")[1]
            if status != b"101":
                await reader.read()
        writer.close()
        await writer.wait_closed()
        server.should_exit = True
        await serving
    return status


@pytest.mark.parametrize(
    ("path", "header", "status"),
    [
        (b"/", b"", b"101"),
        (b"/?query=" + b"x" * 9000, b"", b"414"),
        (b"/", b"Long: " + b"x" * 9000 + b"\r\n", b"431"),
        (b"/", b"Some: x\r\n" * 200, b"431"),
    ],
    ids=["right", "long line", "long header", "many headers"],
)
def test_a_handshake_is_answered(path: bytes, header: bytes, status: bytes) -> None:
    request = b"GET " + path + b" HTTP/1.1\r\n" + HANDSHAKE + header + b"\r\n"
    assert asyncio.run(answered(request)) == status
