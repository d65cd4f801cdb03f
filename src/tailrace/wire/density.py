"""A guard before protobuf is parsed: two bytes of an empty message become 64 in memory."""

from __future__ import annotations

from tailrace.core import limits
from tailrace.core.errors import TooLarge

_EMPTY = (b"\x0a\x00", b"\x12\x00")


def check_density(data: bytes) -> None:
    """Raises TooLarge ("density") when `data` is mostly empty messages."""
    most = limits.EMPTY_MESSAGES_PER_BODY
    if sum(data.count(pattern) for pattern in _EMPTY) > most:
        raise TooLarge(f"body holds more than {most} empty messages; send only records", "density")
