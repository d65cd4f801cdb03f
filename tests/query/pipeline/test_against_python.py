"""What Python can do as well: formats of numbers and times, and addresses."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st

from tailrace.query.pipeline import addresses, units
from tailrace.query.pipeline.template import gotime
from tailrace.query.pipeline.template.numbers import NUMBERS
from tailrace.query.pipeline.template.printf import printf
from tailrace.query.pipeline.template.values import Time, float_text

FINITE = st.floats(allow_nan=False, allow_infinity=False)
WIDTHS = st.sampled_from(["", "1", "5", "12"])
WHOLE = st.integers(-(2**63), 2**63 - 1)


@given(st.sampled_from(["", "-", "0", "+", "+0", " "]), WIDTHS, WHOLE)
def test_whole_numbers_are_printed_alike(flags: str, width: str, value: int) -> None:
    verb = f"%{flags}{width}d"
    assert printf(verb, [value]) == verb % value


@given(
    st.sampled_from(["", "-", "0", "+"]),
    WIDTHS,
    st.sampled_from(["", ".0", ".1", ".7"]),
    st.sampled_from("feE"),
    FINITE,
)
def test_floats_are_printed_alike(
    flags: str, width: str, precision: str, kind: str, value: float
) -> None:
    verb = f"%{flags}{width}{precision}{kind}"
    assert printf(verb, [value]) == verb % value


@given(st.sampled_from(["", "-"]), WIDTHS, st.sampled_from(["", ".0", ".2"]), st.text(max_size=9))
def test_texts_are_printed_alike(flags: str, width: str, precision: str, value: str) -> None:
    verb = f"%{flags}{width}{precision}s"
    assert printf(verb, [value]) == verb % value


@given(FINITE)
def test_a_float_is_shown_so_that_it_reads_back(value: float) -> None:
    shown = float_text(value)
    assert float(shown) == value
    assert units.number(shown) == value
    # Go's exponent is of two digits and begins at a million.
    assert ("e" in shown) == (value != 0 and not 1e-4 <= abs(value) < 1e6)
    assert not shown.endswith(".0")


@given(WHOLE, WHOLE)
def test_whole_numbers_are_divided_as_in_go(a: int, b: int) -> None:
    if b:
        quotient = NUMBERS["div"]("div", [a, b])
        rest = NUMBERS["mod"]("mod", [a, b])
        if (a, b) != (-(2**63), -1):
            assert quotient * b + rest == a
            assert abs(rest) < abs(b)
            assert rest == 0 or (rest < 0) == (a < 0)


@given(st.floats(0, 1e6), st.integers(0, 6))
def test_a_number_is_rounded_to_decimals(value: float, places: int) -> None:
    rounded = NUMBERS["round"]("round", [value, places])
    assert math.isclose(rounded, value, abs_tol=0.5000001 * 10.0**-places)


TIMES = st.datetimes(datetime(1000, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC))
LAYOUTS = [
    ("2006-01-02T15:04:05", "%Y-%m-%dT%H:%M:%S"),
    ("02/Jan/2006:15:04:05", "%d/%b/%Y:%H:%M:%S"),
    ("Monday, January 02 2006 03:04:05 PM", "%A, %B %d %Y %I:%M:%S %p"),
    ("2006-002 15.04.05", "%Y-%j %H.%M.%S"),
]


@given(TIMES, st.sampled_from(LAYOUTS))
def test_times_are_written_and_read_alike(moment: datetime, layout: tuple[str, str]) -> None:
    moment = moment.replace(microsecond=0)
    seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    time = Time(seconds * gotime.SECOND_NS)
    shown = gotime.formatted(time, layout[0])
    assert shown == moment.strftime(layout[1])
    assert gotime.parsed(layout[0], shown, "UTC") == time


V4 = st.ip_addresses(v=4)
V6 = st.ip_addresses(v=6)
AROUND = st.sampled_from(["{}", "from {} to", "[{}]", "<{}>", "a={},b", "({})", "x {}."])


@given(st.one_of(st.tuples(V4, V4), st.tuples(V6, V6)), st.integers(0, 32), AROUND)
def test_addresses_are_found_alike(pair: tuple[object, object], bits: int, around: str) -> None:
    base, address = map(str, pair)
    line = around.format(address)
    network = ip_network(f"{base}/{bits}", strict=False)
    assert addresses.finder(f"{base}/{bits}", 0)(line) == (ip_address(address) in network)
    assert addresses.finder(address, 0)(line)
