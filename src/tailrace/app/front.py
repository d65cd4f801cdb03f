"""The front of a process: every listener, who may come in through it, and how much."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Route

from tailrace.app import config as configuration
from tailrace.app import doors
from tailrace.app.access import Access
from tailrace.app.agent import Own
from tailrace.app.claims import claim_port
from tailrace.app.config import Config
from tailrace.app.limiting import Limiting
from tailrace.app.opening import Doors
from tailrace.app.serving import Served, serve
from tailrace.app.tls import server_tls
from tailrace.core import process
from tailrace.core.access import Scope
from tailrace.core.clock import Clock
from tailrace.core.contracts import BoundedSink, Room
from tailrace.core.metrics import Metrics
from tailrace.gateway.auth import Authenticate
from tailrace.gateway.door import Door
from tailrace.gateway.usage import routes as usage_routes
from tailrace.governance.control import Control

STOP_S = 10.0
EXPOSITION = "text/plain; version=0.0.4"


class Front:
    """`open` before anything else is begun, then `serve`; `stop` taking more, and at the end
    `close`. `sink` is where everything goes that comes in, `room` what the disks behind it have."""

    def __init__(
        self,
        config: Config,
        data: Path,
        control: Control,
        clock: Clock,
        metrics: Metrics,
        sink: BoundedSink,
        room: Room | None = None,
    ) -> None:
        """Raises ConfigError for certificates and tokens that cannot be used."""
        self._config = config
        self._control = control
        self._metrics = metrics
        self._tls = server_tls(config.server)
        self._access = Access(config.server, control, clock, metrics)
        host, _ = configuration.address(config)
        self.entrance = self._access.entrance(f"server.listen {config.server.listen}", host)
        self._limiting = Limiting(config.limits, clock, metrics, sink, data / "limits.json", room)

        def ready() -> bool:
            return sink.ready() and not (room and room.refused(late=False) >= 1.0)

        self.door = Door(
            sink,
            clock,
            metrics,
            ready=ready,
            said=room.said if room else str,
            admission=self._limiting.admission,
        )
        settings = config.server.doors
        self._doors = Doors(
            doors.usual() if settings is None else settings,
            self.door,
            self._access,
            self._tls,
            self._limiting.connections,
            optional=settings is None,
        )
        self._served: list[Served] = []
        self._watching: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Know who may come in. Raises ConfigError, StoreError, OSError."""
        await self._control.open()
        try:
            await self._access.open()
        except BaseException:
            await self._control.close()
            raise
        self._watching.append(asyncio.create_task(self._access.run()))
        if self._tls:
            self._watching.append(asyncio.create_task(self._tls.run()))

    async def serve(self, application: Starlette, listener: socket.socket) -> Own:
        """Let everyone in who may, once the sink is open; gives where the agent in this process is
        taken in."""
        await self._limiting.open()
        await self._doors.open()
        connections = self._limiting.connections
        entered = Authenticate(application, self.entrance)
        context = self._tls.context if self._tls else None
        self._served.append(await serve(entered, listener, connections, context))
        url = configuration.url(self._config)
        if self._tls:
            # The agent can neither be sure of the certificate's name nor show one of its own.
            own = claim_port("127.0.0.1", 0)
            entered = Authenticate(application, self._access.own_entrance)
            self._served.append(await serve(entered, own, connections))
            url = f"http://{configuration.listening(*own.getsockname())}"
        return Own(url, self._access.own)

    def routes(self, measure: Callable[[], None] = lambda: None) -> list[BaseRoute]:
        """What a front says of itself to those who may ask: /metrics, after `measure`, and the
        limits of a tenant."""

        async def metrics(_request: Request) -> PlainTextResponse:
            process.measure(self._metrics)
            measure()
            return PlainTextResponse(self._metrics.render(), media_type=EXPOSITION)

        found = [Route("/metrics", metrics), *usage_routes(self.door.admission)]
        return self.entrance.guarded(found, Scope.ADMIN)

    @property
    def doors(self) -> list[str]:
        """Type and address of what is open beside the one port."""
        return self._doors.names

    @property
    def ends(self) -> set[asyncio.Task[None]]:
        """Tasks that run as long as the front does."""
        return {*(one.task for one in self._served), *self._doors.ends, *self._watching}

    async def stop(self) -> None:
        """Take no more; what is being answered still is."""
        for one in self._served:
            one.stop()
        if self._served:
            await asyncio.wait({one.task for one in self._served}, timeout=STOP_S)
        await self._doors.close(STOP_S)

    async def close(self) -> list[BaseException]:
        """After `stop`: what went wrong while it ran."""
        for task in self._watching:
            task.cancel()
        results = await asyncio.gather(*self._watching, return_exceptions=True)
        self.door.close()
        await self._limiting.close()
        await self._access.close()
        await self._control.close()
        return [result for result in results if isinstance(result, Exception)]
