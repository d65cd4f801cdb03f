"""Addresses that inputs listen on: on this machine only, for nobody is asked for a password."""

from __future__ import annotations

import socket

from tailrace.agent.inputs import Input, OtlpInput, SyslogInput
from tailrace.core.address import host_port, is_loopback
from tailrace.core.errors import ConfigError
from tailrace.core.sockets import bound

_BACKLOG = 128
RECEIVE_BYTES = 8 * 1024 * 1024  # datagrams that wait while the spool is being written


def check_listening(source: Input, key: str) -> None:
    """The addresses of an input, before anything is started. Raises ConfigError."""
    if isinstance(source, SyslogInput):
        if not (source.udp or source.tcp):
            raise ConfigError(f"{key}: set `udp`, `tcp` or both to an address")
        for name in ("udp", "tcp"):
            if getattr(source, name):
                loopback(getattr(source, name), f"{key}.{name}")
    if isinstance(source, OtlpInput):
        loopback(source.listen, f"{key}.listen")


def loopback(address: str, key: str) -> tuple[str, int]:
    """Host and port of HOST:PORT. Raises ConfigError when other machines would reach it."""
    host, port = host_port(address, key, "127.0.0.1:5514")
    if is_loopback(host):
        return "127.0.0.1" if host == "localhost" else host, port
    raise ConfigError(
        f"{key}: {host} is reachable from other machines, and nobody is asked for a password here; "
        "use 127.0.0.1, or [::1]"
    )


def listen(address: str, key: str, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    """A socket that does not wait, bound to a loopback address. Raises ConfigError."""
    host, port = loopback(address, key)
    try:
        return bound(host, port, kind, RECEIVE_BYTES, _BACKLOG)
    except OSError as error:
        raise ConfigError(
            f"{key}: {address} cannot be used: {error.strerror}; set another port"
        ) from None
