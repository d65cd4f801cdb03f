"""A gateway in process, before a sink in memory, that tests ask with a client."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from tailrace.core import access, limits
from tailrace.core.clock import ManualClock
from tailrace.core.contracts import Receipt
from tailrace.core.frame import Frame
from tailrace.core.metrics import Metrics
from tailrace.core.payload import expand
from tailrace.gateway.auth import Authenticate, Entrance
from tailrace.gateway.door import Door
from tailrace.gateway.routes import routes


class MemorySink:
    """Keeps frames, or fails as told."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.failure: Exception | None = None

    async def accept(self, frames: Sequence[Frame]) -> Receipt:
        if self.failure:
            raise self.failure
        self.frames += frames
        return Receipt(len(frames), sum(frame.header.rows for frame in frames))

    async def close(self, deadline_s: float) -> None: ...

    @property
    def data(self) -> bytes:
        return b"".join(expand(f.payload, limits.FRAME_BYTES) for f in self.frames)


Use = Callable[[httpx.AsyncClient, MemorySink, Metrics], Awaitable[None]]


def of_tenant(tenant: str, app: ASGIApp, *more: access.Scope) -> ASGIApp:
    """`app`, asked by someone of this tenant who may send, and do `more`."""
    principal = access.Principal(tenant, frozenset({access.Scope.INGEST, *more}))

    async def asked(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, access.KEY: principal}, receive, send)

    return asked


def behind(token: str, app: ASGIApp) -> ASGIApp:
    """`app`, for those who have this token; for all when it is empty."""
    known = access.StaticToken(token, access.ANYONE) if token else None
    return Authenticate(app, Entrance(known, Metrics()))


def run(
    use: Use, *, token: str = "", tenant: str = "default", relays: bool = False, **options: Any
) -> None:
    """Run `use` with a client of a fresh gateway; `options` are the door's."""

    async def main() -> None:
        sink, metrics = MemorySink(), Metrics()
        scopes = [access.Scope.RELAY] if relays else []
        door = Door(sink, ManualClock(), metrics, **options)
        app = behind(token, of_tenant(tenant, Starlette(routes=routes(door)), *scopes))
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            await use(client, sink, metrics)
        door.close()

    asyncio.run(main())
