"""Times as loggers write them: numbers by their size, texts by ISO 8601."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

# At most these are of the unit: until the year 5138 in seconds, from 1973 on in milliseconds.
_SECONDS, _MILLIS, _MICROS = 1e11, 1e14, 1e17
_LATEST_NS = 9_000_000_000_000_000_000
_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d)(?:[.,](\d{1,9})\d*)? ?([Zz]|[+-]\d\d:?\d\d)?", re.ASCII
)
_SCALES = {3: 1_000_000, 6: 1_000, 9: 1}
_NUMBER = re.compile(r"\d{1,19}(?:\.\d{1,12})?", re.ASCII)


def time_ns(value: object) -> int:
    """UTC nanoseconds of a time; 0 when it is none, or before 1970, or after 2255.

    A number, also one in a text, is seconds, milliseconds, microseconds or nanoseconds by its size.
    A text without a zone is UTC.
    """
    if type(value) is str:
        digits = value[20:-1]
        if (
            value[19:20] == "."
            and value[-1] == "Z"
            and digits.isdecimal()
            and len(digits) in _SCALES
        ):
            # What most loggers write, at half the price.
            second = _second(value[:19], "Z")
            return second and second + int(digits) * _SCALES[len(digits)]
        found = _ISO.fullmatch(value)
        if found is None:
            return _of_number(_number(value))
        second = _second(found[1], found[3] or "")
        return second and second + (int(f"{found[2]:0<9}") if found[2] else 0)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _of_number(value)
    return 0


def _number(text: str) -> int | float:
    if not _NUMBER.fullmatch(text):
        return 0
    return float(text) if "." in text else int(text)


def _of_number(value: float) -> int:
    """Integers exactly; of a float as many digits as it holds, which are microseconds."""
    if not 0 < value <= _LATEST_NS:
        return 0
    micros = 1_000_000 if value < _SECONDS else 1_000 if value < _MILLIS else 1
    if value >= _MICROS:
        found = int(value)
    elif type(value) is int:
        found = value * micros * 1_000
    else:
        found = round(value * micros) * 1_000
    return found if found <= _LATEST_NS else 0


@lru_cache(maxsize=4096)
def _second(text: str, zone: str) -> int:
    """Nanoseconds of a whole second; neighbours share it, so it is read once."""
    try:
        moment = datetime.fromisoformat(text.upper() + ("Z" if zone in ("", "z") else zone))
        seconds = int(moment.astimezone(UTC).timestamp())
    except (ValueError, OverflowError):
        return 0
    return seconds * 1_000_000_000 if 0 < seconds < _LATEST_NS // 1_000_000_000 else 0
