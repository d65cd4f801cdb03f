"""Numbers as people read them, to the letter as Prometheus writes them.

Source: https://prometheus.io/docs/prometheus/latest/configuration/template_reference/#numbers
"""

from __future__ import annotations

import math

from tailrace.query.pipeline import units
from tailrace.query.pipeline.template.printf import printf
from tailrace.query.pipeline.template.values import TemplateError, Time, Value, kind

_LARGE = ("k", "M", "G", "T", "P", "E", "Z", "Y")
_LARGE_1024 = tuple(f"{prefix}i" for prefix in _LARGE)
_SMALL = ("m", "u", "n", "p", "f", "a", "z", "y")
_MOST_NS = 2.0**63


def number(value: Value) -> float:
    """A number, or a text that is one. Raises TemplateError."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    found = units.number(value) if isinstance(value, str) else None
    if found is None:
        shown = repr(value[:40]) if isinstance(value, str) else kind(value)
        raise TemplateError(f"{shown} is no number")
    return found


def humanize(value: Value) -> str:
    """`1.235M`, `120m`"""
    found = number(value)
    if not found or not math.isfinite(found):
        return _four(found)
    if abs(found) >= 1:
        return _large(found, 1000, _LARGE)
    return _small(found)


def humanize_1024(value: Value) -> str:
    """`1Mi`"""
    found = number(value)
    if abs(found) <= 1 or not math.isfinite(found):
        return _four(found)
    return _large(found, 1024, _LARGE_1024)


def humanize_duration(value: Value) -> str:
    """`1d 2h 3m 4s`, `12.35s`, `123.5ms`, from seconds."""
    seconds = number(value)
    if not math.isfinite(seconds):
        return _four(seconds)
    if 0 < abs(seconds) < 1:
        return f"{_small(seconds)}s"
    sign = "-" if seconds < 0 else ""
    minutes, rest = divmod(int(abs(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{sign}{days}d {hours}h {minutes}m {rest}s"
    if hours:
        return f"{sign}{hours}h {minutes}m {rest}s"
    if minutes:
        return f"{sign}{minutes}m {rest}s"
    return f"{_four(seconds)}s"


def humanize_percentage(value: Value) -> str:
    """`12.35%`, from a ratio."""
    return f"{_four(number(value) * 100)}%"


def humanize_timestamp(value: Value) -> str:
    """`2015-06-23 13:19:44.128 +0000 UTC`, from seconds since 1970."""
    seconds = number(value)
    return time(seconds).text() if math.isfinite(seconds) else _four(seconds)


def time(value: Value) -> Time:
    """From seconds since 1970, cut to milliseconds. Raises TemplateError."""
    seconds = number(value)
    if not math.isfinite(seconds) or not -_MOST_NS <= seconds * 1e9 <= _MOST_NS:
        raise TemplateError(f"{_four(seconds)} seconds since 1970 are no time")
    return Time(int(int(seconds * 1e9) / 1e6) * 1_000_000)


def _large(value: float, base: int, prefixes: tuple[str, ...]) -> str:
    prefix = ""
    for larger in prefixes:
        if abs(value) < base:
            break
        prefix = larger
        value /= base
    return f"{_four(value)}{prefix}"


def _small(value: float) -> str:
    prefix = ""
    for smaller in _SMALL:
        if abs(value) >= 1:
            break
        prefix = smaller
        value *= 1000
    return f"{_four(value)}{prefix}"


def _four(value: float) -> str:
    """Four significant digits."""
    return printf("%.4g", [value])
