"""Syslog over UDP.

While too much is held nothing is read: datagrams wait in the socket, and those that the kernel has
no room for are counted. Nothing answers the sender, so what is lost is lost; over TCP it waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Sequence
from functools import partial

from tailrace.core import limits
from tailrace.core.log import get
from tailrace.gateway.door import Door
from tailrace.gateway.listening.batches import Batches
from tailrace.gateway.listening.datagrams import Datagrams
from tailrace.gateway.listening.networks import EVERYONE, Networks
from tailrace.gateway.listening.sockets import bound
from tailrace.wire import syslog
from tailrace.wire.content import Content

# Calls of the kernel in one turn of the loop, so that other connections have theirs.
_CALLS = 8
_COUNT_S = 1.0

_log = get("gateway")


class SyslogDatagrams:
    """Listens at `host` and `port` (0: any) for `tenant`; `address` is known after `start`.

    Datagrams from outside `networks` are left out and counted.
    """

    def __init__(
        self,
        door: Door,
        tenant: str,
        host: str,
        port: int,
        networks: Networks = EVERYONE,
        limit_bytes: int = limits.MESSAGES_WAITING_BYTES,
    ) -> None:
        self.address: tuple[str, int] = (host, port)
        self._metrics = door.metrics
        self._networks = networks
        self._batches = Batches(
            door, tenant, decode, "syslog", partial(self._reading, True), limit_bytes
        )
        self._dropped = 0
        self._is_reading = False
        self._counting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen. Raises ConfigError when the address cannot be used."""
        self._socket = bound(*self.address, socket.SOCK_DGRAM)
        self.address = self._socket.getsockname()[:2]
        self._datagrams = Datagrams(self._socket)
        self._batches.start()
        self._reading(True)
        self._counting = asyncio.create_task(self._count())

    async def close(self, deadline_s: float) -> None:
        """Take what has arrived and no more; it is durable, or counted as lost, afterwards."""
        if self._counting is None:
            return
        counting, self._counting = self._counting, None
        counting.cancel()
        await asyncio.gather(counting, return_exceptions=True)
        self._reading(False)
        with contextlib.suppress(OSError):
            while not self._batches.full and self._receive():
                pass
        self._add_dropped()
        self._socket.close()
        await self._batches.close(deadline_s)

    def _reading(self, on: bool) -> None:
        loop = asyncio.get_running_loop()
        if on and not self._is_reading and self._socket.fileno() >= 0:
            loop.add_reader(self._socket, self._readable)
        elif self._is_reading and not on:
            loop.remove_reader(self._socket)
        self._is_reading = on

    def _readable(self) -> None:
        try:
            for _ in range(_CALLS):
                if self._batches.full:
                    self._reading(False)
                    return
                if not self._receive():
                    return
        except OSError as error:
            _log.error("datagrams cannot be received", exc_info=error)

    def _receive(self) -> int:
        found = self._datagrams.receive()
        for peer, messages in found.items():
            if self._networks.admits(peer):
                self._batches.add(peer, messages)
            else:
                self._metrics.add("tailrace_ingest_rejected_total", len(messages), "network")
        return len(found)

    async def _count(self) -> None:
        while True:
            await asyncio.sleep(_COUNT_S)
            self._add_dropped()

    def _add_dropped(self) -> None:
        dropped = self._datagrams.dropped
        if lost := (dropped - self._dropped) % 2**32:
            self._metrics.add("tailrace_ingest_dropped_total", lost, "udp")
            _log.warning("the kernel dropped syslog datagrams", extra={"datagrams": lost})
        self._dropped = dropped


def decode(messages: Sequence[bytes], now_ns: int, peer: str) -> Content:
    """Records of one sender's messages; see Batches."""
    return syslog.decode(messages, now_ns, peer=peer)
