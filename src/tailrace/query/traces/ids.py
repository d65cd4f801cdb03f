"""Trace ids as clients write them."""

from __future__ import annotations

import re

from tailrace.core.errors import QueryError

_ID = re.compile(r"[0-9a-fA-F]{1,32}")


def spellings(trace_id: str) -> list[str]:
    """How a trace id may be stored that a client wrote without its leading zeros, or in capitals.

    Raises QueryError when it is none.
    """
    if not _ID.fullmatch(trace_id):
        raise QueryError(f"{trace_id[:64]!r} is no trace id; it has 1 to 32 hexadecimal digits")
    lower = trace_id.lower()
    bare = lower.lstrip("0")
    return sorted({lower, bare.zfill(16), bare.zfill(32)})
