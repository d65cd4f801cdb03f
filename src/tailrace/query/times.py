"""Times and steps as clients of the Loki API write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from fractions import Fraction

from tailrace.core.errors import QueryError
from tailrace.query.logql.duration import LONGEST_NS, parse_duration

SECOND_NS = 1_000_000_000
HOUR_NS = 3_600 * SECOND_NS
# The last nanosecond of 2261: a range added to it still fits 64 bits.
LAST_NS = 9_214_646_400 * SECOND_NS - 1
_FLOAT = re.compile(r"[0-9]{1,18}\.[0-9]{0,18}(?:[eE]\+?[0-9]{1,2})?|[0-9]{1,2}e\+?[0-9]{1,2}")
_INTEGER = re.compile(r"-?[0-9]{1,20}")
_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:\d\d)"
)


def parse_time(text: str, name: str) -> int:
    """UTC nanoseconds. With "." float seconds; up to 10 digits seconds; else nanoseconds; else
    RFC 3339. Raises QueryError naming the parameter `name`."""
    value = _time(text.strip())
    if value is None:
        raise QueryError(
            f"{name}={text[:64]!r} is no time; use seconds, nanoseconds or RFC 3339 "
            "such as 2026-01-31T12:00:00Z"
        )
    if not 0 <= value <= LAST_NS:
        raise QueryError(f"{name}={text[:64]!r} is outside the years 1970 to 2261")
    return value


def rfc3339(time_ns: int) -> str:
    """A time as it is shown, UTC, to the millisecond."""
    seconds, rest = divmod(time_ns, SECOND_NS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1_000_000:03d}Z"


def _time(text: str) -> int | None:
    if _FLOAT.fullmatch(text):
        return int(Fraction(text) * SECOND_NS)
    if _INTEGER.fullmatch(text):
        return int(text) * (SECOND_NS if len(text) <= 10 else 1)
    matched = _RFC3339.fullmatch(text)
    if matched is None:
        return None
    day, clock, fraction, zone = matched.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}{zone.upper().replace('Z', '+00:00')}")
    except ValueError:
        return None
    seconds = int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    return seconds * SECOND_NS + int((fraction or "").ljust(9, "0"))


def parse_span(text: str, name: str) -> int:
    """Nanoseconds of a step or `since`: `15s`, `15000ms`, or a number of seconds."""
    try:
        value = int(Fraction(text) * SECOND_NS) if len(text) < 32 and "/" not in text else None
    except (ValueError, ZeroDivisionError):
        value = parse_duration(text)
    if value is None or not 0 < value <= LONGEST_NS:
        raise QueryError(f"{name}={text[:64]!r} is no duration above 0; use 15s, 1h30m or seconds")
    return value


def default_step(start_ns: int, end_ns: int) -> int:
    """A 250th of the range in whole seconds, at least one second."""
    return max((end_ns - start_ns) // (250 * SECOND_NS), 1) * SECOND_NS
