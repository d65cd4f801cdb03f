"""Rows made to cost time: it grows with the bytes, whatever is in them."""

from __future__ import annotations

import datetime
import time
from functools import cache
from typing import Any

import pytest

from tailrace.core.clock import ManualClock
from tailrace.guard.cleaner import Cleaner
from tailrace.guard.settings import Approved

from .cleaning import USUAL, acting, clean, cleaner
from .samples import JWT

DROPPING = acting("email", "drop_field")
APPROVING = cleaner(
    ManualClock(),
    approved=[
        Approved("t", "pan", "o", "r", datetime.date(2027, 12, 1), set="test-cards"),
    ],
)
# A beginning, and what is repeated behind it.
ROWS: dict[str, tuple[bytes, bytes]] = {
    "backslashes": (b"1\\n1 ", b"\\"),
    "backslashes in a member": (b'ssn={"a":', b"\\"),
    "backslashes in a value": (b'password="', b"\\"),
    "percents": (b"1%201 ", b"%"),
    "percent-encoded": (b"1%201 ", b"%25"),
    "ampersands": (b"1&nbsp;1 ", b"&#"),
    "objects": (b"ssn=1 ", b"{}"),
    "arrays": (b"ssn=1 ", b"[]"),
    "open objects": (b"ssn=1 ", b'{"a":'),
    "open names": (b"", b"ssn=["),
    "open named objects": (b"", b'ssn={"'),
    "open secrets": (b"", b"password=["),
    "open secrets far off": (b"", b"password=       ["),
    "secrets in levels": (b"", b"".join(b"pwd=" + b"\\" * n + b'"' for n in range(33))),
    "plain secrets": (b"", b"pwd=a!\\u00e9"),
    "open names in levels": (b"", b"".join(b"ssn=[" + b"\\" * n + b'"' for n in range(12))),
    "open names in strings": (b"", b'ssn=["a,[\\"b,['),
    "calls": (b"", b"api_key=foo("),
    "dotted": (b"", b"api_key=a.b.c/"),
    "apostrophes": (b"", b"pwd='"),
    "hidden passwords": (b"", b"pwd='***' "),
    "hidden passwords in a string": (b'"', b"pwd='***' \\\""),
    "closing brackets": (b"", b"pwd=" * 64 + b")" * 256),
    "quotes": (b"", b'pwd="'),
    "escaped quotes": (b"", b'pwd=\\"'),
    "names without values": (b"", b"password="),
    "authorizations": (b"", b"authorization: bearer "),
    "emails": (b"", b"a@bb.co "),
    "emails listed": (b"", b'":[a@b.co,'),
    "domains": (b"", b"a@a.a"),
    "numbers": (b"{", b'"k":4111111111111111,'),
    "numbers in a dump": (b'{"a":"{', b'\\"k\\":4111111111111111,'),
    "numbers in an array": (b'{"a":[', b"4111111111111111,"),
    "digits": (b"", b"1 "),
    "groups": (b"", b"4111 1111 1112 "),
    "cards": (b"", b"4111 1111 1111 1111 "),
    "cards by dashes": (b"", b"4111-1111-1111-1111-"),
    "words of cards": (b"", b"card 4"),
    "stripes": (b"", b"%B4111111111111111^A^"),
    "ssns": (b"", b"ssn 219-09-9998 "),
    "ssn digits": (b"ssn ", b"1"),
    "phones": (b"", b"phone +1 2 3 4 5 "),
    "tokens": (b"", JWT + b" "),
    "tokens cut off": (b"", b"eyJaaaaaaaa.aaaa "),
    "private keys": (b"", b'-----BEGIN PRIVATE KEY"'),
    "URLs": (b"", b"://a:b"),
    "codes": (b"a@bb.co line ", b'"file":"a'),
    "sources": (b"a@bb.co ", b"a/a.py:"),
    "services": (b"a@bb.co ", b'"service":"'),
    "birthdays": (b"", b"born 3 "),
}


def seconds(row: bytes, by: Cleaner) -> float:
    began = time.process_time()
    clean(row, by)
    return time.process_time() - began


@cache
def spun() -> float:
    """What this machine takes for a million turns of a loop."""
    began = time.process_time()
    sum(number * number for number in range(1_000_000))
    return time.process_time() - began


def check_linear(before: bytes, piece: bytes, by: Cleaner) -> None:
    """Four times the bytes take about four times as long: sixteen where it is quadratic. Both are
    longer than a value may be, up to which some are read again."""

    def row(size: int) -> bytes:
        return before + piece * (size // len(piece)) + b"\n"

    seconds(row(1_000), by)
    small, large = seconds(row(8_000), by), seconds(row(32_000), by)
    if not told(small, large):  # something else had the machine, perhaps
        small = min(small, seconds(row(8_000), by))
        large = min(large, seconds(row(32_000), by))
    assert told(small, large), (small, large, spun())


def told(small: float, large: float) -> bool:
    """Whether the time of one is linear; and some seconds for a megabyte, on a machine of any
    speed."""
    return large < 9 * max(small, 0.002) and large < 10 * spun()


@pytest.mark.parametrize("name", ROWS)
def test_time_grows_with_the_bytes_of_a_row(name: str) -> None:
    check_linear(*ROWS[name], USUAL)


@pytest.mark.parametrize(
    ("piece", "by"),
    [
        (b"a@bb.co ", DROPPING),
        (b'{"k":"a@bb.co"},', DROPPING),
        (b'"k":"a@bb.co",', DROPPING),
        (b"k=a@bb.co ", DROPPING),
        (b"4111111111111111 a@bb.co ", APPROVING),
    ],
    ids=["texts", "objects", "members", "assignments", "approved"],
)
def test_time_grows_with_the_hits_of_a_row_whatever_is_done(piece: bytes, by: Any) -> None:
    check_linear(b"{", piece, by)
