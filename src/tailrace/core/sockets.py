"""Sockets of listeners: bound before anything is started, so that a taken address is an error."""

from __future__ import annotations

import contextlib
import socket

_RCVBUFFORCE = 33  # Linux: for root, beyond what an administrator allowed all


def bound(
    host: str, port: int, kind: socket.SocketKind, waiting_bytes: int, backlog: int = 0
) -> socket.socket:
    """A socket that does not wait, bound to an address; port 0 is any. Raises OSError.

    `waiting_bytes`: datagrams that may wait in it, as far as the system allows. With a `backlog` a
    stream is listened for at once.
    """
    found = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind)
    try:
        found.setblocking(False)
        if kind is socket.SOCK_STREAM:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:
            _enlarge(found, waiting_bytes)
        found.bind((host, port))
        if backlog and kind is socket.SOCK_STREAM:
            found.listen(backlog)
    except OSError:
        found.close()
        raise
    return found


def _enlarge(found: socket.socket, waiting_bytes: int) -> None:
    for option in (_RCVBUFFORCE, socket.SO_RCVBUF):
        with contextlib.suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, option, waiting_bytes // 2)  # the kernel doubles it
            return
