"""Times and durations as Python and people write them, in nanoseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tailrace.core.errors import QueryError
from tailrace.core.units import Seconds

SECOND_NS = 1_000_000_000
Time = datetime | str | float
Span = timedelta | str | float
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def time_ns(value: Time) -> int:
    """UTC nanoseconds of a datetime (a naive one is local time), of ISO 8601 text (UTC unless it
    has an offset), or of seconds since 1970. Raises QueryError."""
    if isinstance(value, datetime):
        whole = value.astimezone(UTC) - _EPOCH
        return (whole.days * 86_400 + whole.seconds) * SECOND_NS + whole.microseconds * 1_000
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value.strip())
        except ValueError:
            message = f"{value[:64]!r} is no time; use ISO 8601 such as 2026-01-31T12:00:00Z"
            raise QueryError(message) from None
        return time_ns(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    return round(value * SECOND_NS)


def span_ns(value: Span) -> int:
    """Nanoseconds of a timedelta, of text such as "15m", or of seconds. Raises QueryError."""
    if isinstance(value, str):
        try:
            value = float(Seconds(value))
        except ValueError as error:
            raise QueryError(str(error)) from None
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if not 0 < value < 1e10:
        raise QueryError(f"{value} s is no duration above 0")
    return round(value * SECOND_NS)


def moment(nanoseconds: int) -> datetime:
    """UTC, to the microsecond."""
    return _EPOCH + timedelta(microseconds=nanoseconds // 1_000)
