"""Opens the doors of the configuration, each a listener of one protocol."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

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


class _Wanted(NamedTuple):
    """A door that is to be opened. `entrance`: None where nobody is asked for a token."""

    settings: DoorSettings
    host: str
    port: int
    entrance: Entrance | None
    keys: Keys | None


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
        """`optional`: one whose address is taken is left closed, and a warning says so. Raises
        ConfigError for a shared key that cannot be read."""
        self._door = door
        self._tls = tls
        self._connections = connections
        self._optional = optional
        self._open: list[_Listener] = []
        self.names: list[str] = []
        self._wanted = [_wanted(one, number, access) for number, one in enumerate(settings)]

    async def open(self) -> None:
        """Raises ConfigError for an address or a certificate that cannot be used."""
        for wanted in self._wanted:
            settings = wanted.settings
            try:
                self._open.append(await self._listener(wanted))
                self.names.append(f"{settings.type} {settings.listen}")
            except (ConfigError, OSError) as error:
                if not self._optional:
                    raise ConfigError(f"server.doors: {settings.type}: {error}") from None
                _log.warning(
                    "a usual door stays closed: its address is taken",
                    extra={"type": settings.type, "listen": settings.listen, "why": str(error)},
                )

    async def _listener(self, wanted: _Wanted) -> _Listener:
        settings, entrance = wanted.settings, wanted.entrance
        if entrance is None:
            listener = self._socket(wanted)
            await listener.start()
            return listener
        if settings.type in WEB:
            return await self._web(wanted, entrance)
        door = GrpcDoor(self._door, entrance.authorise)
        # gRPC says why an address cannot be used to standard error alone.
        claim_port(wanted.host, wanted.port, "listen").close()
        credentials = _credentials(self._tls) if settings.tls and self._tls else None
        await door.start(settings.listen, credentials)
        return door

    async def _web(self, wanted: _Wanted, entrance: Entrance) -> _Listener:
        settings = wanted.settings
        application = Starlette(routes=routes(self._door, protocols=(settings.type,)))
        entered = Authenticate(application, entrance)
        listener = claim_port(wanted.host, wanted.port, "listen")
        return _Web(await serve(entered, listener, self._connections, self._context(settings)))

    def _socket(self, wanted: _Wanted) -> SyslogDatagrams | SyslogStreams | Forward:
        settings, host, port, _, keys = wanted
        networks = Networks(settings.networks)
        if settings.type == "syslog-udp":
            return SyslogDatagrams(self._door, settings.tenant, host, port, networks)
        tls = self._context(settings)
        if settings.type == "syslog-tcp":
            return SyslogStreams(self._door, settings.tenant, host, port, tls, networks)
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


def _wanted(settings: DoorSettings, number: int, access: Access) -> _Wanted:
    key = f"server.doors[{number}]"
    host, port = host_port(settings.listen, f"{key}.listen", LISTEN)
    entrance, keys = None, None
    if settings.asks_for_tokens:
        entrance = access.entrance(f"{key}.listen {settings.listen}", host)
    if settings.shared_key_file:
        keys = Keys(secret(settings.shared_key_file, f"{key}.shared_key_file"))
    return _Wanted(settings, host, port, entrance, keys)


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
