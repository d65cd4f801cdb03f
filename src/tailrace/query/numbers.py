"""Numbers and times as the HTTP APIs of Loki and Prometheus write them."""

from __future__ import annotations

import math
from decimal import Decimal


def number(value: float) -> str:
    """A sample's value: shortest decimal text, never with an exponent."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if value and value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return format(Decimal(repr(float(value))), "f").removesuffix(".0")


def unix_seconds(nanoseconds: int) -> int | float:
    """A time as both APIs write it, to the millisecond."""
    whole, rest = divmod(nanoseconds, 1_000_000_000)
    return whole if rest == 0 else round(nanoseconds / 1e9, 3)
