"""Numbers, durations and sizes from the text of a label."""

from __future__ import annotations

import math
import re

from tailrace.query.logql.duration import UNITS_NS

# What is longer is no number that somebody wrote.
_LONGEST = 400
_DURATION = re.compile(r"((?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++))(ns|us|µs|μs|ms|s|m|h|d|w|y)")
_NS = {**UNITS_NS, "μs": 1_000}
# The border of Go's durations, of 64 bits.
_MOST_NS = 2.0**63
_SIZE = re.compile(r"([0-9][0-9,]*+(?:\.[0-9,]*+)?|\.[0-9]++)[ ]*+([A-Za-z]*)")
_SIZES = {"": 1, "b": 1}
for _power, _letter in enumerate("kmgtpe", 1):
    _SIZES |= {_letter: 1000**_power, f"{_letter}b": 1000**_power}
    _SIZES |= {f"{_letter}i": 1024**_power, f"{_letter}ib": 1024**_power}
_MOST_BYTES = 2.0**64


def number(text: str) -> float | None:
    """A decimal number, `inf` or `nan`; None for all else, also what is beyond 64-bit floats."""
    if "_" in text or not text.isascii() or len(text) > _LONGEST or text[:1] in _SPACES:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    if text[-1] in _SPACES or (math.isinf(value) and "n" not in text.lower()):
        return None
    return value


_SPACES = (" ", "\t", "\n", "\r", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x1f")


def duration_ns(text: str) -> float | None:
    """Nanoseconds of `1h30m`, `-1.5s`, `0`, or None. Days, weeks and years count, too."""
    rest = text[1:] if text[:1] in ("-", "+") else text
    if rest == "0":
        return 0.0
    total = 0.0
    at = 0
    while at < len(rest) <= _LONGEST:
        part = _DURATION.match(rest, at)
        if part is None:
            return None
        total += float(part[1]) * _NS[part[2]]
        at = part.end()
    if not at or total >= _MOST_NS:
        return None
    return -total if text[0] == "-" else total


def duration_seconds(text: str) -> float | None:
    """Seconds of what `duration_ns` reads."""
    found = duration_ns(text)
    return None if found is None else found / 1e9


def size_bytes(text: str) -> float | None:
    """Bytes of `42MB`, `1.5 KiB`, `20B`, `1,024`, or None: k is 1,000 and ki 1,024, any case."""
    if len(text) > _LONGEST:
        return None
    found = _SIZE.fullmatch(text.strip())
    scale = _SIZES.get(found[2].lower()) if found else None
    if found is None or scale is None:
        return None
    value = float(found[1].replace(",", "")) * scale
    return float(int(value)) if value < _MOST_BYTES else None
