"""Times as loggers write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.wire.times import time_ns

SECOND = 1_788_256_800
NOON_NS = SECOND * 10**9


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (SECOND, NOON_NS),
        (SECOND * 1_000 + 250, NOON_NS + 250_000_000),
        (SECOND * 10**6 + 1, NOON_NS + 1_000),
        (NOON_NS + 1, NOON_NS + 1),
        (SECOND + 0.25, NOON_NS + 250_000_000),
        (SECOND * 1_000 + 0.5, NOON_NS + 500_000),
        (f"{SECOND}", NOON_NS),
        (f"{SECOND}.123", NOON_NS + 123_000_000),
        ("2026-09-01T10:00:00Z", NOON_NS),
        ("2026-09-01T10:00:00.123456789Z", NOON_NS + 123_456_789),
        ("2026-09-01T10:00:00.123456Z", NOON_NS + 123_456_000),
        ("2026-09-01T12:00:00.5+02:00", NOON_NS + 500_000_000),
        ("2026-09-01T12:00:00+0200", NOON_NS),
        ("2026-09-01 10:00:00,250", NOON_NS + 250_000_000),
        ("2026-09-01t10:00:00z", NOON_NS),
        ("2026-09-01T10:00:00.1234567891Z", NOON_NS + 123_456_789),
    ],
)
def test_a_time_is_read(value: object, found: int) -> None:
    assert time_ns(value) == found


@pytest.mark.parametrize(
    "value",
    ["", "noon", "2026-13-01T10:00:00Z", "2026-09-01T10:00:00.²³⁴Z", "1960-01-01T00:00:00Z",
     "2026-09-01", "9" * 30, "-5", -5, 0, True, None, [], 10**30, 9_300_000_000_000,
     float("nan"), float("inf"), "9999-01-01T00:00:00Z", "2026-09-01T10:00:00.123\u0661Z"],
)  # fmt: skip
def test_what_is_no_time_is_zero(value: object) -> None:
    assert time_ns(value) == 0


@given(st.datetimes(datetime(1970, 1, 2), datetime(2250, 1, 1)))
def test_what_datetime_writes_is_read_back(moment: datetime) -> None:
    moment = moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    assert time_ns(moment.isoformat()) == since // timedelta(microseconds=1) * 1_000


@given(st.text() | st.floats() | st.integers())
def test_anything_else_is_a_time_or_none(value: object) -> None:
    assert 0 <= time_ns(value) <= 9 * 10**18
