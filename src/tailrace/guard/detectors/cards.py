"""Payment cards: numbers, magnetic stripes, security codes and PINs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tailrace.guard.checks import card, usual_card
from tailrace.guard.detectors.detector import (
    Detector,
    Found,
    Shape,
    Window,
    before,
    digits_of,
    key_before,
)

_SEPARATOR = rb"[ \-._/+\t]"
_RUN = b"0123456789 -._/+\t"
# A run is looked at in pieces of this size: the longest card with separators is half of it.
_BACK, _AHEAD = 60, 160
_DIGITS = re.compile(rb"\d+")
# How pandas and JavaScript write a whole number.
_ZEROS = re.compile(rb"\.0+(?![0-9])")
# Groups in which cards are printed and typed.
_GROUPINGS = {
    4: (
        (4, 4, 4, 4),
        (4, 6, 5),
        (4, 6, 4),
        (4, 4, 4, 4, 3),
        (4, 4, 4, 4, 2),
        (4, 4, 4, 1),
        (4, 4, 5),
    ),
    6: ((6, 13),),
}
# Separators that no card is printed with: only beside the words of one.
_ODD = frozenset(b"_/")
_LONGEST, _SHORTEST = 19, 13
_LENGTHS = (16, 15, 14, 19, 18, 17, 13)
# Single digits in a row; more than this is a table of numbers.
_SPACED = 24
_WORDS = re.compile(
    rb"card|(?<![a-z])pan(?![a-z])|(?<![a-z])ccn?(?![a-z])|ccnum|credit|debit|visa|master|amex|"
    rb"american.?express|maestro|discover|diners|(?<![a-z])jcb|unionpay|kreditkarte|carte|tarjeta"
)
_CONTEXT_BYTES = 40
# Names of numbers that are no cards although one in forty of them looks like one.
_OTHER = re.compile(
    rb"order|track|trace|span|request|invoice|imei|imsi|meid|iccid|sim|device|serial|time|stamp|"
    rb"seq|offset|session|shipment|parcel|waybill|sku|ean|isbn|gtin|upc|barcode|snowflake|message|"
    rb"msg|event|job|build|batch|block|addr|ptr|bytes|size|duration|nanos|micros|epoch|count|hash|"
    rb"correlation|transaction|ticket|case|sensor|meter|node|lsn|xid|commit|version|latency|"
    rb"elapsed|process|thread|uuid|guid|checksum|crc|nonce|index|partition|lag|ref|"
    rb"(?:^|[_.-])(?:id|ids|ns|us|ms|ts|tx|txn|no)$"
)
_CAMEL_ID = re.compile(rb"[a-z](?:Ids?|IDs?)$")
_NUMBER_LIST = re.compile(rb'([\w.\-]{1,64})\\*["\']?\s{0,2}[:=]\s{0,2}\[[\d,\s"\'\\.]{0,200}$')
_LETTERS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")
_LINKS = frozenset((b"-", b".", b"_", b"/", b"+", b" ", b"\t"))
_PARTS = _LINKS - {b" ", b"\t"}
# Words that say what it is only together with the one before.
_VAGUE = (
    b"number",
    b"no",
    b"nr",
    b"num",
    b"code",
    b"value",
    b"is",
    b"was",
    b"no.",
    b"Number",
    b"No.",
)


class _Group(NamedTuple):
    start: int
    stop: int


class Cards:
    """Card numbers in the groups they are printed in, beside words of cards, or bare.

    A bare one is believed when it stands alone, is of an issuer in wide use, and its name does not
    say that it is something else: one in forty of the numbers of sixteen digits is like that.
    """

    name = "pan"
    kind = "pan"
    candidates = (
        rb"(?:^|[^0-9])[2-6][0-9]{13,15}[^0-9]",
        rb"\d\d\d\d%(s)b\d\d\d\d%(s)b\d\d\d\d" % {b"s": _SEPARATOR},
        rb"\d\d\d\d%(s)b\d\d\d\d\d\d%(s)b\d\d\d\d" % {b"s": _SEPARATOR},
        rb"\d\d\d\d\d\d%(s)b\d\d\d\d\d\d\d\d\d\d" % {b"s": _SEPARATOR},
        rb"\d" + rb"%b\d" % _SEPARATOR * 11,
        rb"(?:card|pan|ccn|credit|debit|visa|master|amex)[^\n]{0,30}?\d(?:[ \-._/+]{0,2}\d){12}",
    )
    cased: tuple[bytes, ...] = ()
    matches = (
        b"paid with 4111 1111 1111 1111",
        b"4111-1111-1111-1111",
        b'{"card":4111111111111111}',
        b"amex 3782 822463 10005",
        b"PAN=5105105105105100",
        b"mc 2223003122003222",
        b"diners 3056 930902 5904",
        b"4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
        b"card 6304 0000 0000 0000",
        b"card=41 11 11 11 11 11 11 11",
        b"4111 1111 1111 1111 12/27 123",
        b"6011.0009.9013.9424",
        b"card number 6759649826438453",
        b"visa 4917 6100 0000 0000 003",
    )
    traps = (
        b'{"order_id":"4111111111111111"}',
        b"time 1700000000123456789",
        b"trace 41111111111111114111111111111111",
        b"4111 1111 1111 1112",
        b"0.4111111111111111",
        b"orderId=4111111111111111",
        b"imei: 490154203237518",
        b"#pan:k3j9x2m4q8zt7vwa",
        b"411111******1111",
        b"id 4111111111111111-4111-4111-4111-411111111111",
    )

    def promising(self, text: bytes, end: int) -> bool:
        """See Detector. Most candidates are one long number without separators, and no card."""
        seen = text[end - 21 if end > 21 else 0 : end - 1]
        head = seen.rstrip(b"0123456789")
        size = len(seen) - len(head)
        if size < _SHORTEST or card(seen[-size:]):
            return True
        linked = head[-1:] in _LINKS and head[-2:-1].isdigit()
        return linked or (text[end - 1 : end] in _LINKS and text[end : end + 1].isdigit())

    def look(self, window: Window) -> Iterator[Found]:
        """See Detector."""
        text, start, stop, end, memo = window
        seen = text[max(start, end - _BACK) : end - 1]
        low = end - 1 - len(seen) + len(seen.rstrip(_RUN))
        if ("run", low) in memo:
            return
        memo["run", low] = True
        seen = text[low : min(stop, end + _AHEAD)]
        high = low + len(seen) - len(seen.lstrip(_RUN))
        groups = [_Group(*match.span()) for match in _DIGITS.finditer(text, low, high)]
        at = 0
        while at < len(groups):
            count = 0
            if text[groups[at].start] in b"23456":
                place = _Place(text, start, groups, at)
                count = place.grouped() or place.bare() or place.odd()
                if count:
                    yield place.found(count)
            at += count or 1


class _Place:
    """A group of digits with which a card may begin. Each way of looking gives how many groups it
    takes, 0 when there is none."""

    def __init__(self, text: bytes, start: int, groups: Sequence[_Group], at: int) -> None:
        self._text = text
        self._start = start
        self._groups = groups
        self._at = at
        self._first = groups[at].start
        self._sizes = [group.stop - group.start for group in groups[at : at + _SPACED]]

    def grouped(self) -> int:
        """In the groups of a printed card."""
        for grouping in _GROUPINGS.get(self._sizes[0], ()):
            count = len(grouping)
            if tuple(self._sizes[:count]) == grouping and self._is_card(count):
                return count
        return self._spaced() if self._sizes[0] == 1 else 0

    def _spaced(self) -> int:
        """Digit by digit."""
        sizes = self._sizes
        run = next((n for n, size in enumerate(sizes) if size != 1), len(sizes))
        if run == _SPACED:
            return 0
        return next((n for n in _LENGTHS if n <= run and self._is_card(n)), 0)

    def bare(self) -> int:
        """One number without separators."""
        if not _SHORTEST <= self._sizes[0] <= _LONGEST:
            return 0
        digits = self._text[slice(*self._groups[self._at])]
        if not card(digits):
            return 0
        name = self._name()
        if _WORDS.search(name):
            return 1
        if self._joined() or _OTHER.search(name.lower()) or _CAMEL_ID.search(name):
            return 0
        return 1 if usual_card(digits) or self._spoken() else 0

    def odd(self) -> int:
        """In any other groups, beside the words of a card."""
        size = self._sizes[0]
        if size >= _SHORTEST or not self._spoken():
            return 0
        for count, more in enumerate(self._sizes[1:], 2):
            size += more
            if size > _LONGEST:
                return 0
            if size >= _SHORTEST and self._is_card(count):
                return count
        return 0

    def _is_card(self, count: int) -> bool:
        groups = self._groups[self._at : self._at + count]
        text, stop = self._text, groups[0].stop
        digits = [text[self._first : stop]]
        for group in groups[1:]:
            gap = text[stop : group.start]
            if len(gap) > 2 or (not _ODD.isdisjoint(gap) and not self._spoken()):
                return False
            digits.append(text[group.start : group.stop])
            stop = group.stop
        return card(b"".join(digits))

    def _spoken(self) -> bool:
        """Whether words of a card stand before it."""
        seen = self._text[max(self._start, self._first - _CONTEXT_BYTES) : self._first]
        return _WORDS.search(seen.lower()) is not None

    def _name(self) -> bytes:
        """Of the number: the name or the words before it."""
        name = key_before(self._text, self._first, self._start)
        if name in _VAGUE:
            at = self._text.rfind(name, self._start, self._first)
            name = key_before(self._text, at, self._start) + b" " + name
        if not name:
            seen = self._text[max(self._start, self._first - 256) : self._first]
            listed = _NUMBER_LIST.search(seen)
            name = listed[1] if listed else b""
        return name

    def _joined(self) -> bool:
        """Whether it is part of something longer: a fraction, a word, a number with parts."""
        text, (begin, stop) = self._text, self._groups[self._at]
        head, tail = text[max(self._start, begin - 2) : begin], text[stop : stop + 2]
        if head and head[-1] in _LETTERS and head[:1] != b"\\":
            return True
        if head[-1:] == b"-" or (head[-1:] in _PARTS and head[:1].isdigit()):
            return True
        if tail[:1] not in _PARTS:
            return bool(tail) and tail[0] in _LETTERS
        return tail[1:].isdigit() and not _ZEROS.match(text, stop)

    def found(self, count: int) -> Found:
        """The card of `count` groups."""
        groups = self._groups[self._at : self._at + count]
        stop = groups[-1].stop
        if fraction := _ZEROS.match(self._text, stop):
            stop = fraction.end()
        return Found(self._first, stop, b"".join(self._text[a:b] for a, b in groups))


def _beside_card(match: re.Match[bytes]) -> bytes | None:
    return match["value"] if len(digits_of(before(match, 48))) >= _SHORTEST else None


def _as_it_is(match: re.Match[bytes]) -> bytes | None:
    return match["value"]


def _stripe(match: re.Match[bytes]) -> bytes | None:
    number = digits_of(match["one"] or match["two"])
    return match["value"] if card(number) else None


_NAMED_CODE = (
    rb"(?<![A-Za-z])(?:cvv2?|cvc2?|cvn|csc|card.?code|security.?code|"
    rb"card.?verification(?:.?(?:value|code|number))?|verification.?value)"
)

CARDS: tuple[Detector, ...] = (
    Shape(
        "track",
        "track",
        candidates=(rb"[0-9 ]\^[^\n]", rb"[0-9]=[0-9][0-9][0-9][0-9][0-9][0-9][0-9]"),
        cased=(rb"[0-9]{12}D[0-9]{7}",),
        pattern=re.compile(
            rb"(?P<value>%?B(?P<one>\d[\d ]{11,20})\^[^^\n\"]{1,40}\^[\d ]{4,80}\??|"
            rb";?(?P<two>(?<!\d)\d{13,19})[=D]\d{7,30}\??)"
        ),
        check=_stripe,
        before=32,
        after=140,
        matches=(
            b"swiped %B4111111111111111^DOE/JANE^27121010000000000000?",
            b"t2=;4111111111111111=27121010000000000?",
        ),
        traps=(b"B1234567890123456^X^2712101", b"a=1234567890123=1234567", b"4111111111111111=x"),
    ),
    Shape(
        "cvv",
        "cvv",
        candidates=(
            rb"(?:cvv|cvc|cvn|csc)2?[^\n]{0,10}[0-9]{3}",
            rb"(?:security|card|verification).?(?:code|number|value)[^\n]{0,10}[0-9]{3}",
        ),
        pattern=re.compile(
            _NAMED_CODE + rb"\\*[\"']?\s{0,3}(?:[:=#]|=>|is|was|\(|)\s{0,3}\\*[\"']?"
            rb"(?P<value>\d{3,4})(?![\d.])",
            re.IGNORECASE,
        ),
        check=_as_it_is,
        after=4,
        matches=(
            b"cvv=123",
            b'{"cvv2":"1234"}',
            b"security code: 999",
            b"CVC 123",
            b'"cvv":12345 cvv 321',
        ),
        traps=(b"cvv missing", b"cvv=12345", b"error code: 404", b"cvv check took 1234567"),
    ),
    Shape(
        "cvv-beside-card",
        "cvv",
        candidates=(
            rb"[0-9][0-9][/\-][0-9][0-9][^0-9\n]{1,8}[0-9]{3}",
            rb"[/\-]20[0-9][0-9][^0-9\n]{1,8}[0-9]{3}",
        ),
        pattern=re.compile(
            rb"(?<!\d)(?:0[1-9]|1[0-2])[/\-](?:20)?\d\d(?:[\s|;,]{1,3}|[\s|;,]{0,3}[a-z]{2,4}[\s:=]{1,3})"
            rb"(?P<value>\d{3,4})(?![\d.:\-])",
            re.IGNORECASE,
        ),
        check=_beside_card,
        before=32,
        after=4,
        matches=(b"4111 1111 1111 1111 12/27 123", b"4111111111111111|12/2027|999"),
        traps=(b"on 12/27 123 orders", b"12-27 404"),
    ),
    Shape(
        "pin",
        "pin",
        candidates=(rb"pin[^\n]{0,10}[0-9]{4}",),
        pattern=re.compile(
            rb"(?<![A-Za-z])(?:card|user|atm|debit)?[_\- ]?pin(?:[_\- ]?(?:code|number|block|no))?"
            rb"\\*[\"']?\s{0,2}(?:[:=]|is)\s{0,2}\\*[\"']?(?P<value>\d{4,6}|[0-9A-F]{16})(?![\w.])",
            re.IGNORECASE,
        ),
        check=_as_it_is,
        before=40,
        after=18,
        matches=(b"pin=1234", b'{"pin":"123456"}', b"PIN code: 4321"),
        traps=(b"GPIO pin 18", b"pinned 1234", b"spinning: 1234", b"gpio pin=18", b"pin 4 of 1234"),
    ),
    Cards(),
)
