"""`tailrace gateway`: the doors and the guard alone, before gateways further up.

It keeps nothing but its tokens: a sender hears that its data is kept when a gateway further up has
said so. So any number of them stand side by side, and one that ends loses nothing.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from pathlib import Path

from starlette.applications import Starlette

from tailrace import __version__
from tailrace.app.config import Config, GatewayConfig
from tailrace.app.control import control_store
from tailrace.app.front import Front
from tailrace.app.guarding import Guarding
from tailrace.app.serving import SWITCH_S, settle
from tailrace.core import log
from tailrace.core.clock import Clock, SystemClock
from tailrace.core.contracts import BoundedSink
from tailrace.core.metrics import Metrics
from tailrace.gateway.routes import routes as gateway_routes
from tailrace.governance.control import Control
from tailrace.ship.credentials import Tls, Token
from tailrace.ship.gateways import Gateways, targets
from tailrace.ship.sender import Sender
from tailrace.ship.upstream import SENDERS, Upstream

_log = log.get("app")
CLOSE_S = 10.0


class Relay:
    """The rooms of one gateway, wired."""

    def __init__(self, config: Config, listener: socket.socket) -> None:
        """`listener` is bound to `server.listen`. Raises ConfigError."""
        self._config = config
        self._listener = listener
        self._metrics = Metrics()
        clock = SystemClock()
        data = Path(config.server.data_dir).resolve()
        self._upstream = upstream(config.gateway, clock)
        control = control_store(config.server)
        self._guarding = _guarding(config, control, clock, self._metrics, self._upstream)
        self._sink: BoundedSink = self._guarding.guard if self._guarding else self._upstream
        self._front = Front(config, data, control, clock, self._metrics, self._sink)
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Start, serve until SIGINT or SIGTERM, let what is on its way arrive."""
        sys.setswitchinterval(SWITCH_S)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        await self._front.open()
        if self._guarding:
            await self._guarding.open()
        else:
            _log.info("the gateways further up guard what passes: there is no database to share")
        await self._front.serve(self._application(), self._listener)
        settle()
        _log.info("started", extra={"listen": self._config.server.listen, "version": __version__})
        stopped = asyncio.create_task(self._stop.wait())
        ends = {stopped, *self._front.ends, *(self._guarding.ends if self._guarding else ())}
        await asyncio.wait(ends, return_when="FIRST_COMPLETED")
        stopped.cancel()
        _log.info("stopping: what is on its way is being sent")
        await self._front.stop()
        if self._guarding:
            await self._guarding.close()
        await self._sink.close(CLOSE_S)
        for error in await self._front.close():
            raise error

    def _application(self) -> Starlette:
        guarding, registry = self._guarding, self._upstream
        said = guarding.registry(registry) if guarding else registry
        ways = gateway_routes(self._front.door, said)
        return Starlette(routes=[*ways, *self._front.routes()])


def _guarding(
    config: Config, control: Control, clock: Clock, metrics: Metrics, behind: Upstream
) -> Guarding | None:
    """A guard of its own where it shares the keys of the gateways further up, so that a value has
    one pseudonym everywhere; else they guard, before anything is kept. Raises ConfigError."""
    if not config.server.control:
        return None
    return Guarding(config, control, clock, metrics, behind)


def upstream(config: GatewayConfig, clock: Clock) -> Upstream:
    """The way to the gateways further up. Raises ConfigError."""
    token = Token(config.token, config.token_file, "gateway")
    tls = Tls(config.tls_ca, config.tls_cert, config.tls_key, "gateway")
    name = socket.gethostname()
    # Each its own: a sender remembers which of them serve.
    named = [targets(config.upstream, "gateway.upstream") for _ in range(SENDERS + 1)]
    if any(target.url.scheme == "https" for target in named[0]):
        tls.context()
    announcing, *senders = [
        Sender(Gateways(found, clock, name, config.zone, config.region), token, tls)
        for found in named
    ]
    return Upstream(senders, announcing, clock)
