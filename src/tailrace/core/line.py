"""A log line as a reader gets it."""

from __future__ import annotations

import msgspec


class Line(msgspec.Struct, frozen=True):
    """One log line: UTC nanoseconds, all its labels, the line."""

    time_ns: int
    labels: dict[str, str]
    body: str
