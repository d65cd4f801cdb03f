"""A guard before protobuf is parsed: two bytes of an empty message become 64 in memory."""

from __future__ import annotations

from tailrace.core.errors import TooLarge

# Honest batches have one empty resource or scope for many records.
_EMPTY_MESSAGES = 100_000
_EMPTY = (b"\x0a\x00", b"\x12\x00")


def check_density(data: bytes) -> None:
    """Raises TooLarge ("density") when `data` is mostly empty messages."""
    if sum(data.count(pattern) for pattern in _EMPTY) > _EMPTY_MESSAGES:
        raise TooLarge(
            f"body holds more than {_EMPTY_MESSAGES} empty messages; send only records", "density"
        )
