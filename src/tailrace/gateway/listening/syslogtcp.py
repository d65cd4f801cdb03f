"""Syslog over TCP, and over TLS.

Nothing is answered: what a sender wrote is durable a moment later, or waits in its own buffers
while nothing is read because too much is held. A message whose connection ended inside it is kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from typing import cast

from tailrace.core import limits
from tailrace.core.log import get
from tailrace.gateway.door import Door
from tailrace.gateway.listening.batches import Batches
from tailrace.gateway.listening.networks import EVERYONE, Networks, peer_of
from tailrace.gateway.listening.sockets import bound
from tailrace.gateway.listening.syslogudp import decode
from tailrace.wire.syslogframing import Messages

BACKLOG = 512  # tuning: those that the kernel holds until they are taken
_EXPIRE_S = 10.0
_QUIET_S = 0.05

_log = get("gateway")


class SyslogStreams:
    """Listens at `host` and `port` (0: any) for `tenant`; `address` is known after `start`.

    With `tls` every connection begins with its handshake; a context that asks for certificates
    makes it mutual. Connections from outside `networks` are refused and counted.
    """

    def __init__(
        self,
        door: Door,
        tenant: str,
        host: str,
        port: int,
        tls: ssl.SSLContext | None = None,
        networks: Networks = EVERYONE,
        connections: int = limits.SOCKET_CONNECTIONS,
        limit_bytes: int = limits.MESSAGES_WAITING_BYTES,
    ) -> None:
        self.address: tuple[str, int] = (host, port)
        self.metrics = door.metrics
        self.batches = Batches(door, tenant, decode, "syslog", self._resume, limit_bytes)
        self._tls = tls
        self._networks = networks
        self._limit = connections
        self._open: set[_Connection] = set()
        self._unfinished_bytes = 0
        self._received = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. Raises ConfigError when the address cannot be used."""
        listener = bound(*self.address, socket.SOCK_STREAM)
        self.address = listener.getsockname()[:2]
        self.batches.start()
        self._server = await asyncio.get_running_loop().create_server(
            lambda: _Connection(self),
            sock=listener,
            backlog=BACKLOG,
            ssl=self._tls,
            ssl_handshake_timeout=limits.HANDSHAKE_S if self._tls else None,
        )
        self._expiring = asyncio.create_task(self._expire())

    async def close(self, deadline_s: float) -> None:
        """Take what has arrived and no more; it is durable, or counted as lost, afterwards."""
        if self._server is None:
            return
        server, self._server = self._server, None
        server.close()
        self._expiring.cancel()
        before = -1
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline_s / 2):
                while before != self._received:
                    before = self._received
                    await asyncio.sleep(_QUIET_S)
        for connection in list(self._open):
            connection.end()
        await self.batches.close(deadline_s / 2)

    def opened(self, connection: _Connection) -> bool:
        """Whether it may send, and there is a place for it."""
        if not self._networks.admits(connection.peer):
            self.metrics.add("tailrace_ingest_rejected_total", 1, "network")
            return False
        if len(self._open) >= self._limit and not self._spare():
            self.metrics.add("tailrace_ingest_rejected_total", 1, "connections")
            _log.warning("syslog connection refused", extra={"connections": self._limit})
            return False
        self._open.add(connection)
        self._count()
        if self.batches.full:
            connection.read(False)
        return True

    def received(self, connection: _Connection, messages: list[bytes], unfinished: int) -> None:
        """Take messages; `unfinished` is by how much more of them the connection holds."""
        self._received += 1
        self._unfinished_bytes += unfinished
        if messages:
            self.batches.add(connection.peer, messages)
        if self._unfinished_bytes > limits.UNFINISHED_BYTES:
            self.metrics.add("tailrace_ingest_rejected_total", 1, "unfinished")
            max(self._open, key=lambda one: one.messages.held_bytes).end()
        if self.batches.full:
            for one in self._open:
                one.read(False)

    def closed(self, connection: _Connection, held_bytes: int) -> None:
        """It is gone, and with it what it held."""
        self._unfinished_bytes -= held_bytes
        self._open.discard(connection)
        self._count()

    def _resume(self) -> None:
        for connection in self._open:
            connection.read(True)

    def _count(self) -> None:
        self.metrics.set("tailrace_ingest_connections", len(self._open), "syslog")

    def _spare(self) -> bool:
        """Close the connection that was quiet for longest, if that is long enough."""
        quiet = min(self._open, key=lambda one: one.heard_s)
        before_s = asyncio.get_running_loop().time() - limits.LISTENER_SPARE_S
        if quiet.heard_s > before_s or quiet.messages.held_bytes:
            return False
        quiet.end()
        return True

    async def _expire(self) -> None:
        """Close what was quiet for LISTENER_IDLE_S, but not while it is not read."""
        while True:
            await asyncio.sleep(_EXPIRE_S)
            if not self.batches.full:
                before_s = asyncio.get_running_loop().time() - limits.LISTENER_IDLE_S
                for one in [one for one in self._open if one.heard_s < before_s]:
                    one.end()


class _Connection(asyncio.Protocol):
    """One sender. `heard_s` is when it last said something, by the loop's clock."""

    def __init__(self, listener: SyslogStreams) -> None:
        self.messages = Messages()
        self.heard_s = asyncio.get_running_loop().time()
        self.peer = ""
        self._listener = listener
        self._is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.peer = peer_of(transport)
        self._is_open = self._listener.opened(self)
        if not self._is_open:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if not self._is_open:
            return
        self.heard_s = asyncio.get_running_loop().time()
        before = self.messages.held_bytes
        found = self.messages.feed(data)
        if self.messages.cut:
            self._repaired("line_length", self.messages.cut)
            self.messages.cut = 0
        self._listener.received(self, found, self.messages.held_bytes - before)

    def connection_lost(self, error: Exception | None) -> None:
        self.end()

    def read(self, on: bool) -> None:
        """Read or do not."""
        with contextlib.suppress(RuntimeError):  # some loops refuse what is so already
            (self._transport.resume_reading if on else self._transport.pause_reading)()

    def end(self) -> None:
        """Close it; what it held of its last message is taken."""
        if not self._is_open:
            return
        self._is_open = False
        held_bytes, rest = self.messages.held_bytes, self.messages.close()
        if self.messages.torn:
            self._repaired("torn", self.messages.torn)
        self._listener.closed(self, held_bytes)
        if rest:
            self._listener.batches.add(self.peer, rest)
        self._transport.close()

    def _repaired(self, reason: str, number: int) -> None:
        self._listener.metrics.add("tailrace_ingest_repaired_total", number, reason)
