"""A gateway behind a real HTTP server, for clients that open sockets of their own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from doors import MemorySink
from starlette.applications import Starlette

from tailrace.core.clock import SystemClock
from tailrace.core.metrics import Metrics
from tailrace.gateway.door import Door
from tailrace.gateway.routes import routes


@contextmanager
def served(**options: Any) -> Iterator[tuple[str, MemorySink]]:
    """The URL of a fresh gateway, and the sink of its frames; `options` are the door's."""
    sink = MemorySink()
    door = Door(sink, SystemClock(), Metrics(), **options)
    server = _Server(
        uvicorn.Config(
            Starlette(routes=routes(door)),
            port=0,
            http="httptools",
            log_config=None,
            loop="asyncio",
        )
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        assert server.up.wait(10), "the server does not start"
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}", sink
    finally:
        server.should_exit = True
        thread.join(10)
        door.close()


class _Server(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = threading.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.up.set()
