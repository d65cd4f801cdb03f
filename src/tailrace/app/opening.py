"""Opens the doors of the configuration, each a listener of one protocol."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import grpc
from starlette.applications import Starlette

from tailrace.app.access import Access
from tailrace.app.claims import claim_port
from tailrace.app.config import LISTEN, secret
from tailrace.app.doors import WEB, DoorSettings
from tailrace.app.serving import Served, serve
from tailrace.app.tls import ServerTls
from tailrace.core import log
from tailrace.core.address import host_port
from tailrace.core.errors import ConfigError
from tailrace.gateway.auth import Authenticate, Entrance
from tailrace.gateway.connections import Connections
from tailrace.gateway.door import Door
from tailrace.gateway.grpc import GrpcDoor
from tailrace.gateway.listening.forward import Forward, Keys
from tailrace.gateway.listening.networks import Networks
from tailrace.gateway.listening.syslogtcp import SyslogStreams
from tailrace.gateway.listening.syslogudp import SyslogDatagrams
from tailrace.gateway.routes import routes

_log = log.get("app")


class _Listener(Protocol):
    async def close(self, deadline_s: float) -> None: ...


class _Web:
    """An HTTP server as the other listeners are."""

    def __init__(self, served: Served) -> None:
        self.served = served

    async def close(self, deadline_s: float) -> None:
        self.served.stop()
        await asyncio.wait({self.served.task}, timeout=deadline_s)


class Doors:
    """All listeners beside the one HTTP port. `open` after the tokens are known.

    `names`: what is open, as a person is told of it.
    """

    def __init__(
        self,
        settings: Sequence[DoorSettings],
        door: Door,
        access: Access,
        tls: ServerTls | None,
        connections: Connections,
        optional: bool = False,
    ) -> None:
        """`optional`: one whose address is taken is left closed, and a warning says so."""
        self._door = door
        self._tls = tls
        self._connections = connections
        self._optional = optional
        self._open: list[_Listener] = []
        self.names: list[str] = []
        self._settings = [
            (one, _place(one, number), _entrance(one, number, access))
            for number, one in enumerate(settings)
        ]

    async def open(self) -> None:
        """Raises ConfigError for an address or a key that cannot be used."""
        for settings, (host, port), entrance in self._settings:
            try:
                self._open.append(await self._listener(settings, host, port, entrance))
                self.names.append(f"{settings.type} {settings.listen}")
            except (ConfigError, OSError) as error:
                if not self._optional:
                    raise ConfigError(f"server.doors: {settings.type}: {error}") from None
                _log.warning(
                    "a usual door stays closed: its address is taken",
                    extra={"type": settings.type, "listen": settings.listen, "why": str(error)},
                )

    async def _listener(
        self, settings: DoorSettings, host: str, port: int, entrance: Entrance | None
    ) -> _Listener:
        if entrance is None:
            listener = self._socket(settings, host, port)
            await listener.start()
            return listener
        if settings.type in WEB:
            return await self._web(settings, host, port, entrance)
        door = GrpcDoor(self._door, entrance.authorise)
        credentials = _credentials(self._tls) if settings.tls and self._tls else None
        await door.start(settings.listen, credentials)
        return door

    async def _web(
        self, settings: DoorSettings, host: str, port: int, entrance: Entrance
    ) -> _Listener:
        application = Starlette(routes=routes(self._door, protocols=(settings.type,)))
        entered = Authenticate(application, entrance)
        listener = claim_port(host, port, "listen")
        return _Web(await serve(entered, listener, self._connections, self._context(settings)))

    def _socket(
        self, settings: DoorSettings, host: str, port: int
    ) -> SyslogDatagrams | SyslogStreams | Forward:
        networks = Networks(settings.networks)
        if settings.type == "syslog-udp":
            return SyslogDatagrams(self._door, settings.tenant, host, port, networks)
        tls = self._context(settings)
        if settings.type == "syslog-tcp":
            return SyslogStreams(self._door, settings.tenant, host, port, tls, networks)
        path = settings.shared_key_file
        keys = Keys(secret(path, "shared_key_file")) if path else None
        return Forward(self._door, settings.tenant, host, port, tls, keys, networks)

    def _context(self, settings: DoorSettings) -> ssl.SSLContext | None:
        return self._tls.context if settings.tls and self._tls else None

    @property
    def ends(self) -> set[asyncio.Task[None]]:
        """Tasks that run as long as the doors are open."""
        return {one.served.task for one in self._open if isinstance(one, _Web)}

    async def close(self, deadline_s: float) -> None:
        """Take no more; what was taken is durable afterwards."""
        await asyncio.gather(*(one.close(deadline_s) for one in self._open))


def _place(settings: DoorSettings, number: int) -> tuple[str, int]:
    return host_port(settings.listen, f"server.doors[{number}].listen", LISTEN)


def _entrance(settings: DoorSettings, number: int, access: Access) -> Entrance | None:
    """None where nobody is asked for a token."""
    if not settings.asks_for_tokens:
        return None
    host, _ = _place(settings, number)
    return access.entrance(f"server.doors[{number}].listen {settings.listen}", host)


def _credentials(tls: ServerTls) -> grpc.ServerCredentials:
    """As they are now: gRPC reads no files again."""
    try:
        certificate = Path(tls.cert).read_bytes()
        key = Path(tls.key).read_bytes() if tls.key else certificate
        authority = Path(tls.client_ca).read_bytes() if tls.client_ca else None
    except OSError as error:
        raise ConfigError(f"server.tls_cert, tls_key, tls_client_ca: {error.strerror}") from None
    return grpc.ssl_server_credentials(
        [(key, certificate)], authority, require_client_auth=authority is not None
    )
