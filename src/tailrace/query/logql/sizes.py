"""Sizes of bytes as people write them: `20MB`, `1.5KiB`."""

from __future__ import annotations

import re
from fractions import Fraction

_UNITS = {
    "b": 1,
    **{f"{letter}b": 1_000**n for n, letter in enumerate("kmgtpe", 1)},
    **{f"{letter}ib": 1_024**n for n, letter in enumerate("kmgtpe", 1)},
}
_SIZE = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,18})?)([A-Za-z]{1,3})")


def parse_size(text: str) -> int | None:
    """Bytes, or None when `text` is no size."""
    found = _SIZE.fullmatch(text)
    unit = _UNITS.get(found[2].lower()) if found else None
    if found is None or unit is None:
        return None
    return int(Fraction(found[1]) * unit)
