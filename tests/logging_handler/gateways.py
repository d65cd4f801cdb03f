"""The real gateway on a port of its own, with a sink in memory and a note of every request."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Sequence
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from tailrace.core import access, limits
from tailrace.core.clock import SystemClock
from tailrace.core.contracts import Receipt
from tailrace.core.frame import Frame
from tailrace.core.metrics import Metrics
from tailrace.core.payload import expand
from tailrace.gateway.auth import Authenticate, Entrance
from tailrace.gateway.door import Door
from tailrace.gateway.routes import routes


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


class MemorySink:
    """Keeps frames, the same identity once, as the store does. Fails as told, and holds back
    answers until `go` is set."""

    def __init__(self) -> None:
        self.frames: dict[Any, Frame] = {}
        self.failures: list[Exception] = []
        self.go = threading.Event()
        self.go.set()

    async def accept(self, frames: Sequence[Frame]) -> Receipt:
        while not self.go.is_set():
            await asyncio.sleep(0.005)
        if self.failures:
            raise self.failures.pop(0)
        for frame in frames:
            self.frames.setdefault(frame.header.key, frame)
        return Receipt(len(frames), sum(frame.header.rows for frame in frames))

    async def close(self, deadline_s: float) -> None: ...


def _behind(token: str, app: ASGIApp) -> ASGIApp:
    known = access.StaticToken(token, access.ANYONE) if token else None
    return Authenticate(app, Entrance(known, Metrics()))


class Gateway:
    """Started at once. `keys` are the Idempotency-Keys in the order of their requests."""

    def __init__(self, port: int = 0, token: str = "", **options: Any) -> None:
        self.sink = MemorySink()
        self.keys: list[str] = []
        self.paths: list[str] = []
        self.metrics = Metrics()
        self._door = Door(self.sink, SystemClock(), self.metrics, **options)
        self._app: ASGIApp = _behind(token, Starlette(routes=routes(self._door)))
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        config = uvicorn.Config(
            self._noted, log_config=None, interface="asgi3", ws="none", lifespan="off"
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._listener]}
        )
        self._listener.listen()
        self._thread.start()

    async def _noted(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        self.keys.append(headers.get(b"idempotency-key", b"").decode())
        self.paths.append(scope["path"])
        await self._app(scope, receive, send)

    def rows(self) -> list[dict[str, Any]]:
        """Every record that is stored, in the order of storing."""
        text = b"\n".join(
            expand(frame.payload, limits.FRAME_BYTES).rstrip(b"\n")
            for frame in self.sink.frames.values()
        )
        return [json.loads(line) for line in text.splitlines()]

    def bodies(self) -> list[str]:
        return [row["body"] for row in self.rows()]

    def close(self) -> None:
        self.sink.go.set()
        self._server.should_exit = True
        self._thread.join(10)
        self._listener.close()
        self._door.close()
