"""Durations as LogQL and Prometheus write them: `1h30m`, `500ms`, `1.5h`."""

from __future__ import annotations

import re
from fractions import Fraction

UNITS_NS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
    "w": 604_800_000_000_000,
    "y": 31_536_000_000_000_000,
}
_PART = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,18})?)(ns|us|µs|ms|s|m|h|d|w|y)")
# Nothing is kept longer than ten years; also keeps sums of times far from the 64-bit border.
LONGEST_NS = 10 * UNITS_NS["y"]


def parse_duration(text: str) -> int | None:
    """Nanoseconds, or None when `text` is no duration or is longer than ten years."""
    total = Fraction(0)
    at = 0
    while at < len(text):
        part = _PART.match(text, at)
        if part is None:
            return None
        total += Fraction(part[1]) * UNITS_NS[part[2]]
        at = part.end()
    return int(total) if text and total <= LONGEST_NS else None


def duration_text(nanoseconds: int) -> str:
    """The shortest single-unit text of a duration; negative ones keep their sign."""
    sign = "-" if nanoseconds < 0 else ""
    value = abs(nanoseconds)
    for unit in ("h", "m", "s", "ms", "us"):
        if value and value % UNITS_NS[unit] == 0:
            return f"{sign}{value // UNITS_NS[unit]}{unit}"
    return f"{sign}{value}ns"
