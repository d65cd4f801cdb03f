"""Sockets of listeners: bound before anything is started, so that a taken address is an error."""

from __future__ import annotations

import contextlib
import socket

from tailrace.core import limits
from tailrace.core.errors import ConfigError

_RCVBUFFORCE = 33  # Linux: for root, beyond what an administrator allowed all


def bound(host: str, port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    """A socket that does not wait, bound to an address; port 0 is any. Raises ConfigError."""
    found = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind)
    try:
        found.setblocking(False)
        if kind is socket.SOCK_STREAM:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:
            _enlarge(found)
        found.bind((host, port))
    except OSError as error:
        found.close()
        raise ConfigError(
            f"{host} port {port} cannot be used: {error.strerror or error}; set another address"
        ) from None
    return found


def _enlarge(found: socket.socket) -> None:
    for option in (_RCVBUFFORCE, socket.SO_RCVBUF):
        with contextlib.suppress(OSError):
            # The kernel doubles it.
            found.setsockopt(socket.SOL_SOCKET, option, limits.DATAGRAMS_WAITING_BYTES // 2)
            return
