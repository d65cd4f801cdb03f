"""Addresses of listeners that are no HTTP servers."""

from __future__ import annotations

import socket

from tailrace.core import limits, sockets
from tailrace.core.errors import ConfigError


def bound(host: str, port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    """A socket that does not wait, bound to an address; port 0 is any. Raises ConfigError."""
    try:
        return sockets.bound(host, port, kind, limits.DATAGRAMS_WAITING_BYTES)
    except OSError as error:
        raise ConfigError(
            f"{host} port {port} cannot be used: {error.strerror or error}; set another address"
        ) from None
