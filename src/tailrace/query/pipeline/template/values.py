"""The values of templates, and how Go shows and compares them.

A value is None (nil), bool, int, float, str, `Time`, `Record`, a list or a dict with text as keys.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

Value: TypeAlias = Any
# Without a zone: datetimes here are what a clock on the wall of some zone shows.
_EPOCH = datetime(1970, 1, 1)
NO_VALUE = "<no value>"


class TemplateError(Exception):
    """A template failed on a row; the text says why."""


@dataclass(frozen=True)
class Time:
    """An instant, and the zone it is shown in. `ns`: since 1970 UTC."""

    ns: int
    offset_s: int = 0
    zone: str = "UTC"

    def wall(self) -> tuple[datetime, int]:
        """Date and time in its zone, and nanoseconds within the second. Raises TemplateError."""
        seconds, ns = divmod(self.ns, 1_000_000_000)
        try:
            return _EPOCH + timedelta(seconds=seconds + self.offset_s), ns
        except OverflowError:
            raise TemplateError("a time is before the year 1 or after 9999") from None

    def text(self) -> str:
        """`2006-01-02 15:04:05.999999999 -0700 MST`"""
        wall, ns = self.wall()
        fraction = f".{ns:09d}".rstrip("0") if ns else ""
        sign, minutes = ("-" if self.offset_s < 0 else "+"), abs(self.offset_s) // 60
        day = f"{wall.year:04d}-{wall:%m-%d %H:%M:%S}"
        return f"{day}{fraction} {sign}{minutes // 60:02d}{minutes % 60:02d} {self.zone}"


class Texts(dict[str, str]):
    """A dict whose values are all text: what is missing is "" and not nil."""


@dataclass(frozen=True)
class Record:
    """What Go calls a struct: to ask it for a field that it has not is an error."""

    fields: Mapping[str, Value]


def item(value: dict[str, Value], key: str) -> Value:
    """What a dict has for `key`."""
    return value.get(key, "" if isinstance(value, Texts) else None)


def kind(value: Value) -> str:
    """What Go calls its type."""
    match value:
        case None:
            return "nil"
        case bool():
            return "bool"
        case int():
            return "int"
        case float():
            return "float64"
        case str():
            return "string"
        case Time():
            return "time.Time"
        case list():
            return "[]interface {}"
        case Record():
            return "struct"
        case Texts():
            return "map[string]string"
        case _:
            return "map[string]interface {}"


def is_true(value: Value) -> bool:
    """Whether `if` takes its branch: not for zero, "", nil and what is empty."""
    return value is not None and value not in (0, "", [], {}, False)


def shown(value: Value) -> str:
    """What `{{value}}` writes."""
    if type(value) is str:
        return value
    return NO_VALUE if value is None else formatted(value)


def formatted(value: Value) -> str:
    """What `%v` writes."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return float_text(value)
        case str():
            return value
        case Time():
            return value.text()
        case list():
            return f"[{' '.join(map(formatted, value))}]"
        case Record():
            return f"{{{' '.join(map(formatted, value.fields.values()))}}}"
        case _:
            pairs = sorted(value.items())
            return f"map[{' '.join(f'{key}:{formatted(item)}' for key, item in pairs)}]"


def float_text(value: float) -> str:
    """The shortest text that reads back; with an exponent below 1e-4 and from 1e+06 on."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    digits, exponent = scientific(value)
    if not -4 <= exponent < 6:
        return with_exponent(digits, exponent, value)
    whole = digits.replace(".", "")
    sign = "-" if math.copysign(1.0, value) < 0 else ""
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{whole}"
    whole = whole.ljust(exponent + 1, "0")
    fraction = whole[exponent + 1 :]
    return f"{sign}{whole[: exponent + 1]}{'.' + fraction if fraction else ''}"


def scientific(value: float) -> tuple[str, int]:
    """The shortest digits `d.ddd` without a sign, and the power of ten."""
    mantissa, _, power = f"{abs(value)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    exponent = int(power or 0) + len(whole) - 1
    digits = (whole + fraction).lstrip("0")
    exponent -= len(whole + fraction) - len(digits)
    digits = digits.rstrip("0")
    if not digits:
        return "0", 0
    return digits[0] + (f".{digits[1:]}" if len(digits) > 1 else ""), exponent


def with_exponent(digits: str, exponent: int, value: float) -> str:
    """`d.ddde+XX`."""
    sign = "-" if math.copysign(1.0, value) < 0 else ""
    return f"{sign}{digits}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
