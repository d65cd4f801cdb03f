"""An application on a listener, by uvicorn."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import socket
import ssl
from collections.abc import Iterator

import msgspec
import uvicorn
from starlette.types import ASGIApp

from tailrace.core import limits
from tailrace.gateway.connections import Connections
from tailrace.gateway.httpserver import protocol
from tailrace.gateway.websocket import WebSocketProtocol

# A thread that decodes holds the interpreter so long before the event loop gets it back, at each of
# its callbacks: with Python's 5 ms the loop does 200 a second beside a busy thread.
SWITCH_S = 0.0005


def settle() -> None:
    """When all is running: what is there now stays, and the garbage collector looks at it no more.

    A full round of it stops all threads, and took 60 to 120 ms, nearly all for modules.
    """
    gc.collect()
    gc.freeze()


# A follower that reads slowly answers a ping after all that was sent before it.
PING_S = 20.0
PONG_S = 60.0


class _HttpServer(uvicorn.Server):
    """uvicorn without its signal handlers: the runtime decides the order of the stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Served(msgspec.Struct, frozen=True):
    """One listener that is being served. `task` ends when it no longer is."""

    server: uvicorn.Server
    task: asyncio.Task[None]

    def stop(self) -> None:
        """Take no more; what is being answered still is."""
        self.server.should_exit = True


async def serve(
    application: ASGIApp,
    listener: socket.socket,
    connections: Connections,
    tls: ssl.SSLContext | None = None,
) -> Served:
    """Returns once requests are answered. `connections` counts those of all listeners."""
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    server = _HttpServer(
        uvicorn.Config(
            application,
            http=protocol(connections),  # type: ignore[arg-type]
            ws=WebSocketProtocol,
            # Packing each message anew for each follower would cost more than all else together.
            ws_per_message_deflate=False,
            ws_max_size=limits.TAIL_RECEIVED_BYTES,
            ws_ping_interval=PING_S,
            ws_ping_timeout=PONG_S,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=limits.KEEP_ALIVE_S,
            ssl_context_factory=(lambda config, default: tls) if tls else None,
        )
    )
    task = asyncio.create_task(server.serve([listener]))
    while not (server.started or task.done()):  # noqa: ASYNC110 - uvicorn has no event
        await asyncio.sleep(0.01)
    return Served(server, task)
