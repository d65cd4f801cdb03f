"""A gateway that listens for HTTP and gRPC, for clients that want a socket."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import uvicorn
from doors import MemorySink
from starlette.applications import Starlette

from tailrace.core import limits
from tailrace.core.access import Principal, Scope
from tailrace.core.clock import ManualClock
from tailrace.core.frame import Signal
from tailrace.core.metrics import Metrics
from tailrace.core.payload import expand
from tailrace.gateway.auth import Entrance
from tailrace.gateway.door import Door
from tailrace.gateway.grpc import GrpcDoor
from tailrace.gateway.routes import routes


class Tokens:
    """An authority that knows two tokens, one of which is not for sending."""

    def principal(self, secret: str) -> Principal | None:
        scopes = {"acme": Scope.INGEST, "reader": Scope.QUERY}
        return Principal(secret, frozenset({scopes[secret]})) if secret in scopes else None


class Served:
    """Runs in a thread of its own, from `__enter__` to `__exit__`. Where a token is `required`, it
    is over gRPC."""

    def __init__(self, required: bool = False, **options: Any) -> None:
        self._required = required
        self.sink, self.metrics = MemorySink(), Metrics()
        self.url = self.address = ""
        self._options = options
        self._ready = threading.Event()
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> Served:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._loop and self._stop
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive()

    def rows(self, signal: Signal) -> list[dict[str, Any]]:
        """All that the sink holds of this signal."""
        payloads = [f.payload for f in self.sink.frames if f.header.signal is signal]
        data = b"".join(expand(payload, limits.FRAME_BYTES) for payload in payloads)
        return [json.loads(line) for line in data.splitlines()]

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        door = Door(self.sink, ManualClock(), self.metrics, **self._options)
        entrance = Entrance(Tokens(), self.metrics, required=self._required)
        grpc_door = GrpcDoor(door, entrance.authorise, self._options.get("read_deadline_s", 30.0))
        port = await grpc_door.start("127.0.0.1:0")
        self.address = f"127.0.0.1:{port}"
        config = uvicorn.Config(Starlette(routes=routes(door)), port=0, log_level="error")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        self.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        self._ready.set()
        await self._stop.wait()
        server.should_exit = True
        await grpc_door.close(1.0)
        await serving
        door.close()
