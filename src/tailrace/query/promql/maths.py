"""Functions of single numbers, for arrays of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from tailrace.query.matrix.matrix import Floats

Function = Callable[[Floats], Floats]
# Seconds that a calendar of 64 bits of nanoseconds can tell.
_CALENDAR_S = 9.2e9


def _sign(values: Floats) -> Floats:
    return np.sign(values)


MATHS: Mapping[str, Function] = {
    "abs": np.abs, "acos": np.arccos, "acosh": np.arccosh, "asin": np.arcsin, "asinh": np.arcsinh,
    "atan": np.arctan, "atanh": np.arctanh, "ceil": np.ceil, "cos": np.cos, "cosh": np.cosh,
    "deg": np.degrees, "exp": np.exp, "floor": np.floor, "ln": np.log, "log10": np.log10,
    "log2": np.log2, "rad": np.radians, "sgn": _sign, "sin": np.sin, "sinh": np.sinh,
    "sqrt": np.sqrt, "tan": np.tan, "tanh": np.tanh,
}  # fmt: skip


def rounded(values: Floats, to: Floats) -> Floats:
    """To the nearest multiple of `to`; halves upwards."""
    inverse = 1.0 / to
    return np.floor(values * inverse + 0.5) / inverse


def _months(days: np.ndarray) -> np.ndarray:
    return days.astype("datetime64[M]")


def _since(values: np.ndarray, unit: str) -> Floats:
    """Whole units from the beginning of the unit above it to the value, such as hours of a day."""
    above = {"m": "h", "h": "D", "D": "M", "M": "Y"}[unit]
    whole = values.astype(f"datetime64[{unit}]")
    found: Floats = (whole - values.astype(f"datetime64[{above}]").astype(whole.dtype)).astype(
        np.float64
    )
    return found


def _days_in_month(values: np.ndarray) -> Floats:
    month = _months(values)
    following = (month + np.timedelta64(1, "M")).astype("datetime64[D]")
    found: Floats = (following - month.astype("datetime64[D]")).astype(np.float64)
    return found


def _day_of_year(values: np.ndarray) -> Floats:
    days = values.astype("datetime64[D]")
    first = values.astype("datetime64[Y]").astype("datetime64[D]")
    found: Floats = (days - first).astype(np.float64) + 1
    return found


def _day_of_week(values: np.ndarray) -> Floats:
    days = values.astype("datetime64[D]").astype(np.int64)
    found: Floats = ((days + 4) % 7).astype(np.float64)  # 1 January 1970 was a Thursday
    return found


_DATES: Mapping[str, Callable[[np.ndarray], Floats]] = {
    "minute": lambda values: _since(values, "m"),
    "hour": lambda values: _since(values, "h"),
    "day_of_month": lambda values: _since(values, "D") + 1,
    "month": lambda values: _since(values, "M") + 1,
    "year": lambda values: values.astype("datetime64[Y]").astype(np.float64) + 1970,
    "day_of_week": _day_of_week,
    "day_of_year": _day_of_year,
    "days_in_month": _days_in_month,
}


def date(function: str, seconds: Floats) -> Floats:
    """A part of the calendar (UTC) of seconds since 1970, cut towards 0; NaN beyond what it can
    tell."""
    known = np.abs(seconds) < _CALENDAR_S  # False for NaN
    whole = np.trunc(np.where(known, seconds, 0.0)).astype("datetime64[s]")
    return np.where(known, _DATES[function](whole), math.nan)
