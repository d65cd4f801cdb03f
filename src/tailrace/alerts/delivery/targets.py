"""Where a notice may be sent to, judged by the address that is connected to.

Nobody is sent to link-local, multicast or unspecified addresses, nor to those where a cloud hands
out its credentials. A target that the configuration names may be private: receivers are often on
the same network, or machine. One that a redirect names may not be, unless `alerts.allow_targets`
has it. A name is resolved once for each connection, and the address that was judged is used.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from tailrace.alerts.delivery.outcome import NotTaken

Address = IPv4Address | IPv6Address

# Names that do not answer hold a thread each; the system gives up on them within a minute.
_RESOLVING = 8
_METADATA = frozenset(
    ip_address(one)
    for one in (
        "100.100.100.200",  # Alibaba
        "168.63.129.16",  # Azure
        "192.0.0.192",  # Oracle
        "fd00:ec2::254",  # Amazon
        "fd20:ce::254",  # Google
    )
)
_NAT64 = ip_network("64:ff9b::/96")


@dataclass(frozen=True)
class Allowed:
    """`alerts.allow_targets`: networks, and names in lower case."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    names: frozenset[str] = frozenset()

    def has(self, host: str, address: Address) -> bool:
        within = any(address in one for one in self.networks if one.version == address.version)
        return within or host.lower() in self.names


def allowed(targets: Sequence[str]) -> Allowed:
    """What is no address and no network is a name."""
    networks, names = [], set()
    for target in targets:
        try:
            networks.append(ip_network(target))
        except ValueError:
            names.add(target.lower())
    return Allowed(tuple(networks), frozenset(names))


def permits(address: Address, host: str, trusted: bool, allowed: Allowed) -> bool:
    """Whether `host`, which is `address`, may be connected to. `trusted`: the configuration
    names it."""
    inner = _inner(address)
    if inner.is_link_local or inner.is_multicast or inner.is_unspecified or inner in _METADATA:
        return False
    return trusted or inner.is_global or allowed.has(host, inner)


def _inner(address: Address) -> Address:
    """The IPv4 address that one of IPv6 stands for, as it would be reached."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


async def addresses(host: str, port: int, trusted: bool, allowed: Allowed) -> list[str]:
    """Those of `host` that may be connected to, the preferred first. Raises NotTaken."""
    found = await _resolved(host, port)
    good = [one for one in found if permits(ip_address(one), host, trusted, allowed)]
    if not good:
        raise NotTaken(f"{host} has no address that may be connected to", lasting=True)
    return good


async def _resolved(host: str, port: int) -> list[str]:
    try:
        return [str(ip_address(host))]
    except ValueError:
        pass
    loop = asyncio.get_running_loop()
    try:
        found = await loop.run_in_executor(
            _resolving(), socket.getaddrinfo, host, port, 0, socket.SOCK_STREAM
        )
    except (OSError, UnicodeError):
        raise NotTaken(f"the name {host} is not found") from None
    # A zone stands behind %; an address with one is link-local.
    return list(dict.fromkeys(str(one[4][0]).partition("%")[0] for one in found))


@cache
def _resolving() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_RESOLVING, thread_name_prefix="alerts-names")
