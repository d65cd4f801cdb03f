"""Addresses as people write them: HOST:PORT, and whether only this machine reaches them."""

from __future__ import annotations

import ipaddress

from tailrace.core.errors import ConfigError

_PORTS = 65_536


def host_port(text: str, key: str, example: str, least: int = 0) -> tuple[str, int]:
    """Host, without brackets, and a port from `least` on. Raises ConfigError naming `key`."""
    host, _, port = text.rpartition(":")
    if not host or not (port.isascii() and port.isdigit()) or not least <= int(port) < _PORTS:
        raise ConfigError(f'{key}: {text!r} is not HOST:PORT, such as "{example}"')
    return host.strip("[]"), int(port)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
