"""Raw blocks of snappy, as Loki push and Prometheus remote write send them.

A block starts with a varint, the length of what it expands to, so that is checked before anything
is allocated. Source: https://github.com/google/snappy/blob/main/format_description.txt
"""

from __future__ import annotations

import cramjam

from tailrace.core import limits
from tailrace.core.errors import InputError, TooLarge

# Snappy's densest element is 3 bytes for 64: a larger claim is false.
_RATIO = 24


def expand(body: bytes, limit_bytes: int = limits.BODY_BYTES) -> bytes:
    """What the block holds. Raises TooLarge ("expanded") and InputError ("snappy")."""
    try:
        claim = cramjam.snappy.decompress_raw_len(body) if body else 0
        if claim > limit_bytes:
            raise TooLarge(
                f"body expands beyond {limit_bytes} bytes; send smaller batches", "expanded"
            )
        if claim > _RATIO * len(body):
            raise InputError("body is not valid snappy: its length is not believable", "snappy")
        return bytes(cramjam.snappy.decompress_raw(body))
    except cramjam.DecompressionError as error:
        raise InputError(f"body is not valid snappy: {error}", "snappy") from error
