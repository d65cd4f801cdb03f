"""Sampling that keeps a trace whole, wherever its rows are decided on.

A row has 56 random bits and is taken when they are at or above a threshold. Where the bits are
those of its trace id, every machine decides alike, and what a lower rate takes a higher one takes
too. Source: OpenTelemetry, "TraceState: Probability Sampling", with the four digits of precision
that its SDKs and its Collector use, so that their thresholds are these.
"""

from __future__ import annotations

import re

BITS = 56
ALL = 0
NONE = 1 << BITS
_DIGITS = BITS // 4
_PRECISION = 4
_is_id = re.compile(rb"[0-9a-fA-F]{32}").fullmatch


def threshold(weight: int) -> int:
    """The threshold that one row in `weight` passes, within a hundredth of a percent."""
    digits = _PRECISION
    # Digits that are all ones say only that the rate is low; each asks for another one.
    while weight > 16 ** (digits - _PRECISION + 1):
        digits += 1
    scale = 1 << (4 * digits)
    return (2 * (weight - 1) * scale + weight) // (2 * weight) << (BITS - 4 * digits)


def text(threshold: int) -> str:
    """The value of `th`, empty where nothing is taken, since that is no probability."""
    return "" if threshold == NONE else f"{threshold:0{_DIGITS}x}".rstrip("0") or "0"


def randomness(trace_id: bytes) -> int | None:
    """The bits of a trace id of 32 hexadecimal digits, None for anything else."""
    return bits(trace_id) if _is_id(trace_id) else None


def bits(trace_id: bytes) -> int | None:
    """The bits of 32 hexadecimal digits, None for zeros only, which stand for no trace."""
    found = int(trace_id[-_DIGITS:], 16)
    return found if found or trace_id.strip(b"0") else None
