"""TCP connections of syslog senders: bounded, and read in turns."""

from __future__ import annotations

import contextlib
import selectors
import socket
import time

from tailrace.core import limits, log
from tailrace.wire.syslogframing import Messages

_log = log.get("agent")
_READ_BYTES = 64 * limits.KIB


class _Connection:
    def __init__(self, now_s: float) -> None:
        self.messages = Messages()
        self.heard_s = now_s


class Streams:
    """Connections of one listener, whose sockets are in `selector`. One thread."""

    def __init__(
        self,
        listener: socket.socket,
        selector: selectors.BaseSelector,
    ) -> None:
        self._listener = listener
        self._selector = selector
        self._open: dict[socket.socket, _Connection] = {}
        self.cut = 0
        self.torn = 0
        selector.register(listener, selectors.EVENT_READ)

    def read(self, ready: object) -> list[bytes]:
        """Messages of a socket that has something: the listener, or a connection."""
        if ready is self._listener:
            self._accept()
            return []
        if not (isinstance(ready, socket.socket) and ready in self._open):
            return []
        connection = self._open[ready]
        try:
            data = ready.recv(_READ_BYTES)
        except BlockingIOError:
            return []
        except OSError:
            data = b""
        if not data:
            return self._close(ready)
        connection.heard_s = time.monotonic()
        found = connection.messages.feed(data)
        self.cut, connection.messages.cut = self.cut + connection.messages.cut, 0
        return found

    def _accept(self) -> None:
        try:
            new, _ = self._listener.accept()
        except OSError:
            return
        most = limits.LISTENER_CONNECTIONS
        if len(self._open) >= most and not self._spare(time.monotonic() - limits.LISTENER_SPARE_S):
            _log.warning("syslog connection refused", extra={"connections": most})
            new.close()
            return
        new.setblocking(False)
        self._open[new] = _Connection(time.monotonic())
        self._selector.register(new, selectors.EVENT_READ)

    def _spare(self, before_s: float) -> bool:
        """Close the connection that was quiet for longest, if that is long enough."""
        quiet = min(self._open, key=lambda found: self._open[found].heard_s)
        if self._open[quiet].heard_s > before_s or self._open[quiet].messages.held_bytes:
            return False
        self._close(quiet)
        return True

    def expire(self) -> list[bytes]:
        """Close what was quiet for LISTENER_IDLE_S; gives what was left of its last message."""
        before_s = time.monotonic() - limits.LISTENER_IDLE_S
        late = [found for found, one in self._open.items() if one.heard_s < before_s]
        return [message for one in late for message in self._close(one)]

    def _close(self, ended: socket.socket) -> list[bytes]:
        connection = self._open.pop(ended)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(ended)
        ended.close()
        rest = connection.messages.close()
        self.torn += connection.messages.torn
        return rest

    def close(self) -> list[bytes]:
        """Nothing more is read; gives what was left of the last messages."""
        return [message for one in list(self._open) for message in self._close(one)]
