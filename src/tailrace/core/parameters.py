"""Parameters of a query, as text: numbers and times. What is wrong with one is a QueryError."""

from __future__ import annotations

from tailrace.core.errors import QueryError
from tailrace.core.units import Seconds

_LARGEST = 2**63 - 1


def number(name: str, text: str, largest: int) -> int:
    """From 1 to `largest`. Raises QueryError."""
    if not (text.isascii() and text.isdigit() and len(text) < 9 and 0 < int(text) <= largest):
        raise QueryError(f"{name}={text[:32]!r} is no number from 1 to {largest}")
    return int(text)


def since(text: str, now_ns: int) -> int:
    """A span such as "1d" before now, or a time in UTC nanoseconds. Raises QueryError."""
    if text.isascii() and text.isdigit() and len(text) < 20:
        return min(int(text), _LARGEST)
    try:
        return max(0, now_ns - int(Seconds(text[:32]) * 1e9))
    except (ValueError, OverflowError):
        raise QueryError(
            f"since={text[:32]!r}: give a span such as 1d, or a time in nanoseconds"
        ) from None
