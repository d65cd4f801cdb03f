"""`ip("...")`: an address, a range or a prefix, looked for anywhere in a text."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from tailrace.query.pipeline.step import refuse

_V4 = re.compile(r"(?<![0-9.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9]|\.[0-9])")
# A run of what an IPv6 address is made of, of any length so that a longer one is not cut in two.
_V6 = re.compile(r"[0-9A-Fa-f:.]++")
_V6_CHARS = 45


def finder(wanted: str, position: int) -> Callable[[str], bool]:
    """Whether a text holds an address that `wanted` means. Raises QueryError."""
    low, high = _bounds(wanted, position)
    first, last = int(low), int(high)
    candidates = _v4 if isinstance(low, IPv4Address) else _v6

    def found(text: str) -> bool:
        return any(first <= address <= last for address in candidates(text))

    return found


def _bounds(
    wanted: str, position: int
) -> tuple[IPv4Address | IPv6Address, IPv4Address | IPv6Address]:
    try:
        if "/" in wanted:
            network = ip_network(wanted.strip(), strict=False)
            return network[0], network[-1]
        low, dash, high = wanted.partition("-")
        first = _address(low)
        last = _address(high) if dash else first
    except ValueError:
        raise refuse(
            f"ip({wanted!r}) is no address, range (a-b) or prefix (a/24)", position
        ) from None
    if first.version != last.version or int(first) > int(last):
        raise refuse(f"ip({wanted!r}) is no range from a lower to a higher address", position)
    return first, last


def _address(text: str) -> IPv4Address | IPv6Address:
    if "%" in text:
        raise ValueError(text)
    return ip_address(text.strip())


def _v4(text: str) -> list[int]:
    found = []
    for token in _V4.findall(text):
        try:
            found.append(int(IPv4Address(token)))
        except ValueError:
            continue
    return found


def _v6(text: str) -> list[int]:
    found = []
    for token in _V6.findall(text):
        if len(token) > _V6_CHARS + 2 or token.count(":") < 2:
            continue
        for form in (token, _bare(token)):
            try:
                found.append(int(IPv6Address(form)))
                break
            except ValueError:
                continue
    return found


def _bare(token: str) -> str:
    """Without the colons and dots of the sentence around it."""
    token = token.rstrip(".")
    if token.endswith(":") and not token.endswith("::"):
        token = token[:-1]
    if token.startswith(":") and not token.startswith("::"):
        token = token[1:]
    return token
