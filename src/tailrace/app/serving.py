"""An application on a listener, by uvicorn."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Iterator

import msgspec
import uvicorn
from starlette.types import ASGIApp

from tailrace.app.websocket import WebSocketProtocol

IDLE_CONNECTION_S = 75


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
    application: ASGIApp, listener: socket.socket, tls: ssl.SSLContext | None = None
) -> Served:
    """Returns once requests are answered."""
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    server = _HttpServer(
        uvicorn.Config(
            application,
            http="httptools",
            ws=WebSocketProtocol,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=IDLE_CONNECTION_S,
            ssl_context_factory=(lambda config, default: tls) if tls else None,
        )
    )
    task = asyncio.create_task(server.serve([listener]))
    while not (server.started or task.done()):  # noqa: ASYNC110 - uvicorn has no event
        await asyncio.sleep(0.01)
    return Served(server, task)
