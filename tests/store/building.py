"""Frames for the tests of this room."""

from __future__ import annotations

from typing import Any

from tailrace.core.frame import Frame, Header
from tailrace.core.payload import compress, describe

NOW = 1_800_000_000_000_000_000
HOUR_NS = 3_600_000_000_000


def frame(data: bytes, seq: int = 1, **fields: Any) -> Frame:
    """A frame of these bytes, received at NOW + seq nanoseconds."""
    facts = describe(data)
    header = {
        "tenant": "default",
        "source": "test",
        "epoch": 1,
        "seq": seq,
        "rows": facts.rows,
        "bytes": facts.bytes,
        "checksum": facts.checksum,
        "received_ns": NOW + seq,
        **fields,
    }
    return Frame(Header(**header), compress(data))


def at(*times: int, seq: int = 1, service: str = "", **fields: Any) -> Frame:
    """A frame with one row of a service for each event time (ns)."""
    named = b'"service":"%s",' % service.encode() if service else b""
    data = b"".join(b'{%s"time":%d,"body":"%d"}\n' % (named, time, time) for time in times)
    return frame(data, seq, **fields)
