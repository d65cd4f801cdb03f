"""`tailrace gateway`: the doors and the guard alone, before gateways further up.

It keeps nothing but its tokens: a sender hears that its data is kept when a gateway further up has
said so. So any number of them stand side by side, and one that ends loses nothing.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Route

from tailrace import __version__
from tailrace.app.config import Config, GatewayConfig
from tailrace.app.front import Front
from tailrace.app.serving import SWITCH_S
from tailrace.core import log, process
from tailrace.core.access import Scope
from tailrace.core.clock import Clock, SystemClock
from tailrace.core.errors import ConfigError
from tailrace.core.metrics import Metrics
from tailrace.gateway.routes import routes as gateway_routes
from tailrace.gateway.usage import routes as usage_routes
from tailrace.governance.control import Control
from tailrace.guard.passthrough import PassThrough
from tailrace.ship.credentials import Tls, Token
from tailrace.ship.gateways import Gateways, targets
from tailrace.ship.sender import Sender
from tailrace.ship.upstream import SENDERS, Upstream

_log = log.get("app")
CLOSE_S = 10.0


class Relay:
    """The rooms of one gateway, wired."""

    def __init__(
        self, config: Config, listener: socket.socket, started: Callable[[], None] = lambda: None
    ) -> None:
        """`listener` is bound to `server.listen`; `started` is called when all is running."""
        self._config = config
        self._listener = listener
        self._started = started
        self._metrics = Metrics()
        clock = SystemClock()
        data = Path(config.server.data_dir).resolve()
        self._upstream = upstream(config.gateway, clock)
        control = Control(data / "control")
        sink = PassThrough(self._upstream)
        self._front = Front(config, data, control, clock, self._metrics, sink, self._upstream)
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Start, serve until SIGINT or SIGTERM, let what is on its way arrive."""
        sys.setswitchinterval(SWITCH_S)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        await self._front.open()
        await self._front.serve(self._application(), self._listener)
        _log.info("started", extra={"listen": self._config.server.listen, "version": __version__})
        self._started()
        stopped = asyncio.create_task(self._stop.wait())
        await asyncio.wait({stopped, *self._front.ends}, return_when="FIRST_COMPLETED")
        stopped.cancel()
        _log.info("stopping: what is on its way is being sent")
        await self._front.stop()
        await self._upstream.close(CLOSE_S)
        for error in await self._front.close():
            raise error

    def _application(self) -> Starlette:
        guarded = self._front.entrance.guarded
        routes: list[BaseRoute] = [
            *gateway_routes(self._front.door, self._upstream),
            *guarded(usage_routes(self._front.door.admission), Scope.ADMIN),
            *guarded([Route("/metrics", self._render_metrics)], Scope.ADMIN),
        ]
        return Starlette(routes=routes)

    async def _render_metrics(self, _request: Request) -> PlainTextResponse:
        process.measure(self._metrics)
        return PlainTextResponse(self._metrics.render(), media_type="text/plain; version=0.0.4")


def upstream(config: GatewayConfig, clock: Clock) -> Upstream:
    """The way to the gateways further up. Raises ConfigError."""
    token = Token(config.token, config.token_file, "gateway")
    tls = Tls(config.tls_ca, config.tls_cert, config.tls_key, "gateway")
    name = socket.gethostname()

    def sender() -> Sender:
        # Each its own: a sender remembers which of them serve.
        found = targets(config.upstream, "gateway.upstream")
        return Sender(Gateways(found, clock, name, config.zone, config.region), token, tls)

    if any(target.url.scheme == "https" for target in targets(config.upstream, "gateway.upstream")):
        tls.context()
    return Upstream([sender() for _ in range(SENDERS)], sender(), clock)


def check(config: Config) -> None:
    """Raises ConfigError for settings that a gateway needs."""
    targets(config.gateway.upstream, "gateway.upstream")
    if config.gateway.tls_key and not config.gateway.tls_cert:
        raise ConfigError("gateway.tls_key: the certificate it belongs to is gateway.tls_cert")
