"""Durations as Prometheus writes them: `1h30m`, `1d`, `250ms`, `0`.

From the largest unit to the smallest, each once, whole numbers: its `model.ParseDuration`. That of
LogQL takes more, and Prometheus would refuse such a file.
"""

from __future__ import annotations

import re

from tailrace.query.logql.duration import LONGEST_NS, UNITS_NS

_UNITS = ("y", "w", "d", "h", "m", "s", "ms")
_DURATION = re.compile("".join(rf"(?:([0-9]{{1,18}}){unit})?" for unit in _UNITS))
# Larger units are written only where nothing remains: 90m is 1h30m, and 25h no 1d1h.
_WHOLE = ("y", "w", "d")


def read_duration(text: str) -> int | None:
    """Nanoseconds; None when `text` is no duration, or longer than ten years."""
    if text == "0":
        return 0
    found = _DURATION.fullmatch(text)
    if not text or found is None:
        return None
    total = sum(int(n or 0) * UNITS_NS[u] for n, u in zip(found.groups(), _UNITS, strict=True))
    return total if total <= LONGEST_NS else None


def write_duration(nanoseconds: int) -> str:
    """What `read_duration` reads back; whole milliseconds."""
    if not nanoseconds:
        return "0s"
    written = ""
    for unit in _UNITS:
        size = UNITS_NS[unit]
        if unit in _WHOLE and nanoseconds % size:
            continue
        count, nanoseconds = divmod(nanoseconds, size)
        written += f"{count}{unit}" if count else ""
    return written
