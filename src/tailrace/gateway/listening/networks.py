"""Who may send to a listener that asks for no credential: addresses of named networks."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Sequence
from functools import lru_cache

_V4_IN_V6 = "::ffff:"


class Networks:
    """`admits` says whether a peer is of one of them; everyone is, when none is named.

    Raises ValueError for a text that is no network, such as 10.0.0.0/8.
    """

    def __init__(self, texts: Sequence[str] = ()) -> None:
        self._networks = [ipaddress.ip_network(text) for text in texts]
        self._known = lru_cache(1024)(self._is_of_one)

    def admits(self, peer: str) -> bool:
        """`peer` is an address as `plain` gives it."""
        return not self._networks or self._known(peer)

    def _is_of_one(self, peer: str) -> bool:
        try:
            address = ipaddress.ip_address(peer.partition("%")[0])
        except ValueError:
            return False
        return any(address in network for network in self._networks)


EVERYONE = Networks()


def plain(address: str) -> str:
    """An address as a socket gives it; of IPv4 it is the same on a socket of IPv6."""
    return address.removeprefix(_V4_IN_V6)


def peer_of(connection: asyncio.BaseTransport | asyncio.StreamWriter) -> str:
    """The address of the other end; empty when it is gone already."""
    return plain(str((connection.get_extra_info("peername") or ("",))[0]))
