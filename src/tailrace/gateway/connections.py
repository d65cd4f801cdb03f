"""The connections of the HTTP port: how many, from whom, and since when each keeps us waiting."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal, Protocol

from tailrace.core import limits
from tailrace.core.metrics import Metrics

Wait = Literal["", "idle", "head", "unread", "write"]
_PATIENCE_S: dict[Wait, float] = {
    "idle": limits.KEEP_ALIVE_S,
    "unread": limits.KEEP_ALIVE_S,
    "write": limits.UNREAD_S,
}


class Waiting(Protocol):
    """A connection: what it waits for, "" for nothing, and since when; `drop` ends it at once."""

    waits: Wait
    since_s: float

    def drop(self) -> None: ...


class Connections:
    """All of one process. `sweep` closes those that took too long: call it every second or so,
    which costs less than a timer for each request. Used from one event loop.

    `head_s`: from the first byte of a request to the end of its headers.
    """

    def __init__(
        self,
        metrics: Metrics,
        most: int = limits.CONNECTIONS,
        most_per_peer: int = limits.CONNECTIONS_PER_PEER,
        head_s: float = limits.HEAD_S,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.now_s = now_s
        self._metrics = metrics
        self._most = most
        self._most_per_peer = most_per_peer
        self._patience_s = _PATIENCE_S | {"head": head_s}
        self._peers: dict[str, int] = {}
        self._open: set[Waiting] = set()

    def add(self, connection: Waiting, peer: str) -> bool:
        """Count a connection. False when there are too many: then it is not counted."""
        if len(self._open) >= self._most:
            return self._refuse("all")
        if self._peers.get(peer, 0) >= self._most_per_peer:
            return self._refuse("peer")
        self._peers[peer] = self._peers.get(peer, 0) + 1
        self._open.add(connection)
        self._metrics.set("tailrace_connections", len(self._open))
        return True

    def remove(self, connection: Waiting, peer: str) -> None:
        """Forget one that was counted; nothing happens to another."""
        if connection not in self._open:
            return
        self._open.remove(connection)
        self._peers[peer] -= 1
        if not self._peers[peer]:
            del self._peers[peer]
        self._metrics.set("tailrace_connections", len(self._open))

    def closed(self, reason: str) -> None:
        """Count a connection that was closed for something that its client did."""
        self._metrics.add("tailrace_connections_closed_total", 1, reason)

    def sweep(self) -> None:
        """Close what has waited too long for its client."""
        now_s = self.now_s()
        for connection in list(self._open):
            waits = connection.waits
            if waits and now_s - connection.since_s > self._patience_s[waits]:
                self.closed(waits)
                connection.drop()

    def _refuse(self, reason: str) -> bool:
        self.closed(reason)
        return False
