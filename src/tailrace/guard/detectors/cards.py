"""Payment cards: numbers, magnetic stripes, security codes and PINs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

from tailrace.guard.checks import card, luhn
from tailrace.guard.detectors.detector import (
    NO_DIGITS,
    Detector,
    Found,
    Shape,
    Window,
    as_it_is,
    digits_of,
    key_before,
    untaken,
)

_SEPARATOR = rb"[ \-._/+:\t]"
_RUN = b"0123456789 -._/+:\t"
# A run is looked at in pieces of this size; the longest card with separators is as long as _BACK.
_BACK, _AHEAD = 60, 2_000
_DIGITS = re.compile(rb"\d+")
# How pandas and JavaScript write a whole number.
_ZEROS = re.compile(rb"\.0+(?![0-9])")
# Groups in which cards are printed and typed.
_GROUPINGS = {
    4: (
        (4, 4, 4, 4),
        *((4, 4, 4, 4, rest) for rest in (1, 2, 3)),
        *((4, 4, 4, rest) for rest in (1, 2, 3, 5, 6, 7)),
        (4, 6, 5),
        (4, 6, 4),
        (4, 3, 3, 3),
        (4, 5, 6),
    ),
    6: ((6, 13),),
}
_LONGEST, _SHORTEST = 19, 13
_ODD_GROUP = 8
_LENGTHS = (16, 15, 14, 19, 18, 17, 13)
# Single digits in a row; more than this is a table of numbers.
_SPACED = 24
_WORDS = re.compile(
    rb"card|(?<![a-z])pan(?![a-z])|(?<![a-z])ccn?(?![a-z])|ccnum|credit|debit|visa|master|amex|"
    rb"american.?express|maestro|discover|diners|account|acct|(?<![a-z])jcb|unionpay|"
    rb"kreditkarte|carte|tarjeta"
)
_CONTEXT_BYTES = 40
# Names of numbers that are no cards although some of them look like one.
_OTHER = re.compile(
    rb"order|track|trace|span|request|invoice|imei|imsi|meid|iccid|sim|device|serial|time|stamp|"
    rb"seq|offset|session|shipment|parcel|waybill|awb|sku|ean|isbn|gtin|upc|barcode|snowflake|"
    rb"event|job|build|batch|block|addr|ptr|bytes|size|duration|nanos|micros|epoch|"
    rb"(?<!ac)count|hash|"
    rb"correlation|transaction|ticket|case|sensor|meter|node|lsn|xid|commit|version|latency|"
    rb"elapsed|process|thread|uuid|guid|checksum|crc|nonce|index|partition|lag|ref|"
    rb"(?:^|[_.-])(?:id|ids|uid|sha\d*|digest|ns|us|ms|ts|tx|txn|no)$"
)
_CODE_BEHIND = re.compile(
    rb"[\"'\\]{0,4}[\s|;,]{1,3}(?:exp[a-z]{0,6}[\s:=]{0,3})?(?:0[1-9]|1[0-2])[/\-](?:20)?\d\d"
    rb"(?:[\s|;,]{1,3}|[\s|;,]{0,3}[a-z]{2,4}[\s:=]{1,3})(?P<value>\d{3,4})(?![\d.:\-])",
    re.IGNORECASE,
)
_FIELD = re.compile(rb"[=:\"\\,;&]")
# How names of loggers end that are words of the above.
_LOGGERS = frozenset(
    (b"request", b"session", b"event", b"job", b"batch", b"process", b"transaction")
)
_CAMEL_ID = re.compile(rb"[a-z](?:Ids?|IDs?)$")
_LETTERS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")
_LINKS = frozenset((b"-", b".", b"_", b"/", b"+", b" ", b"\t"))
_JOINED = frozenset((b"-", b"_", b"."))
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


class BareCards:
    """Card numbers that stand alone, without separators, unless their name says that they are
    something else. One in fifteen numbers of sixteen digits is like that."""

    name = "pan-bare"
    kind = "pan"
    candidates = (rb"(?:^|[^0-9])[2-6][0-9]{12,18}[^0-9]",)
    cased: tuple[bytes, ...] = ()
    matches = (
        b'{"card":4111111111111111}',
        b"PAN=5105105105105100",
        b"amex 378282246310005 ok",
        b"30569309025904 was declined",
        b"paid 2223003122003222",
    )
    traps = (
        b'{"order_id":"4111111111111111"}',
        b"trace 41111111111111114111111111111111",
        b"0.4111111111111111",
        b"orderId=4111111111111111",
        b"imei: 490154203237518",
        b"id 4111111111111111-4111-4111-4111-411111111111",
        b"a4111111111111111",
    )

    def promising(self, text: bytes, end: int) -> bool:
        """See Detector. This is asked of every long number, so it is short."""
        seen = text[end - 20 if end > 20 else 0 : end - 1]
        size = len(seen) - len(seen.rstrip(b"0123456789"))
        return card(seen[-size:])

    def look(self, window: Window) -> Iterator[Found]:
        """See Detector."""
        text, start, _stop, end, _memo = window
        head = text[max(start, end - 20) : end - 1]
        begin = end - 1 - len(head) + len(head.rstrip(b"0123456789"))
        place = _Place(_Run(text, start, begin, end - 1), 0)
        if place.bare():
            yield from place.found(1)


class Cards:
    """Card numbers in the groups they are printed in, or beside the words of a card."""

    name = "pan"
    kind = "pan"
    candidates = (
        rb"\d\d\d\d%(s)b{1,3}\d\d\d\d%(s)b{1,3}\d\d\d\d" % {b"s": _SEPARATOR},
        rb"\d\d\d\d%(s)b{1,3}\d\d\d\d\d\d%(s)b{1,3}\d\d\d\d" % {b"s": _SEPARATOR},
        rb"\d\d\d\d%(s)b{1,3}\d\d\d%(s)b{1,3}\d\d\d%(s)b{1,3}\d\d\d" % {b"s": _SEPARATOR},
        rb"\d\d\d\d\d\d%(s)b\d\d\d\d\d\d\d\d\d\d" % {b"s": _SEPARATOR},
        rb"\d" + rb"%b\d" % _SEPARATOR * 8,
        rb"[0-9][0-9][0-9][0-9][^0-9\n]{1,20}card",
        rb"(?:card|pan|ccn|[^a-z0-9]cc[^a-z0-9]|credit|debit|visa|master|amex|account|acct)"
        rb"[^\n]{0,30}?[0-9][0-9 \-._/+]{12}",
    )
    cased: tuple[bytes, ...] = ()
    matches = (
        b"paid with 4111 1111 1111 1111",
        b"4111-1111-1111-1111",
        b"amex 3782 822463 10005",
        b"mastercard 2223003122003222",
        b"diners 3056 930902 5904",
        b"4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
        b"card 6304 0000 0000 0000",
        b"card=41 11 11 11 11 11 11 11",
        b"6011.0009.9013.9424",
        b"card number 6759649826438453",
        b"visa 4917 6100 0000 0000 003",
    )
    traps = (
        b"time 1700000000123456789",
        b"4111 1111 1111 1112",
        b"#pan:k3j9x2m4q8zt7vwa",
        b"411111******1111",
        b"order 4111 1111",
        b"10 20 30 40 50 60 70 80 90",
    )

    def promising(self, text: bytes, end: int) -> bool:
        """See Detector."""
        return True

    def look(self, window: Window) -> Iterator[Found]:
        """See Detector."""
        text, start, stop, end, memo = window
        done = memo.get("cards", 0)
        assert isinstance(done, int)
        if end <= done:
            return
        seen = text[max(start, end - _BACK) : end].rstrip(NO_DIGITS)  # a word behind it
        at = max(start, end - _BACK) + len(seen)
        low = at - len(seen) + len(seen.rstrip(_RUN))
        seen = text[low : min(stop, end + _AHEAD)]
        high = low + len(seen) - len(seen.lstrip(_RUN))
        # A run that goes on is taken up again where the last card that may begin here ends.
        memo["cards"] = high if high < end + _AHEAD else end + _AHEAD - _BACK
        yield from _in_run(_Run(text, start, low, high))


def _in_run(run: _Run) -> Iterator[Found]:
    text, groups, at = run.text, run.groups, 0
    while at < len(groups):
        count = 0
        if text[groups[at].start] in b"2345689":
            place = _Place(run, at)
            count = place.grouped() or place.bare() or place.odd()
            if count:
                yield from place.found(count)
        at += count or 1


class _Run:
    """Digits and separators, `text[low:high]`, in a row that begins at `start`."""

    def __init__(self, text: bytes, start: int, low: int, high: int) -> None:
        self.text = text
        self.start = start
        self.groups = [_Group(*match.span()) for match in _DIGITS.finditer(text, low, high)]
        self._low, self._high = low, high

    @cached_property
    def words(self) -> tuple[int, int]:
        """Where words of a card are nearest before and behind, -1 for nowhere near. There are no
        letters in a run, so they stand outside of it."""
        text, low, high = self.text, self._low, self._high
        seen = untaken(text[max(self.start, low - _CONTEXT_BYTES) : low].lower())
        before = max(
            (low - len(seen) + found.start() for found in _WORDS.finditer(seen)), default=-1
        )
        behind = _WORDS.search(text[high : high + _CONTEXT_BYTES].split(b"\n", 1)[0].lower())
        return before, high + behind.start() if behind else -1


class _Place:
    """A group of digits with which a card may begin. Each way of looking gives how many groups it
    takes, 0 when there is none."""

    def __init__(self, run: _Run, at: int) -> None:
        self._text = run.text
        self._start = run.start
        self._groups = groups = run.groups
        self._at = at
        self._first = groups[at].start
        self._run = run
        self._sizes = [stop - start for start, stop in groups[at : at + _SPACED]]

    def grouped(self) -> int:
        """In the groups of a printed card."""
        for grouping in _GROUPINGS.get(self._sizes[0], ()):
            count = len(grouping)
            if tuple(self._sizes[:count]) == grouping and self._is_card(count):
                return 0 if _OTHER.search(self._list_name().lower()) else count
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
        plain = name.lower()
        if _WORDS.search(plain) or self._said_behind():
            return 1
        return 0 if self._joined() or _OTHER.search(plain) or _CAMEL_ID.search(name) else 1

    def _said_behind(self) -> bool:
        """Whether the sentence goes on to say that it is a card."""
        stop, word = self._groups[self._at].stop, self._run.words[1]
        return word >= 0 and not _FIELD.search(self._text, stop, word)

    def odd(self) -> int:
        """In any other groups, beside the words of a card."""
        size = self._sizes[0]
        if size > _ODD_GROUP or not self._spoken():
            return 0
        for count, more in enumerate(self._sizes[1:], 2):
            size += more
            if size > _LONGEST or more > _ODD_GROUP:
                return 0
            if size >= _SHORTEST and self._is_card(count):
                return count
        return 0

    def _is_card(self, count: int) -> bool:
        groups = self._groups[self._at : self._at + count]
        if self._goes_on(count):
            return False
        text, stop = self._text, groups[0].stop
        digits = [text[self._first : stop]]
        for group in groups[1:]:
            gap = text[stop : group.start]
            if len(gap) > 3:
                return False
            digits.append(text[group.start : group.stop])
            stop = group.stop
        whole = b"".join(digits)
        return card(whole) or (self._spoken() and len(whole) == 16 and luhn(whole))

    def _goes_on(self, count: int) -> bool:
        """Whether more numbers are joined to it: it is part of an id."""
        groups, at = self._groups, self._at
        around = [(at - 1, at)] if at else []
        if at + count < len(groups):
            around.append((at + count - 1, at + count))
        return any(self._text[groups[a].stop : groups[b].start] in _JOINED for a, b in around)

    def _spoken(self) -> bool:
        """Whether words of a card stand beside it."""
        before, behind = self._run.words
        return (before >= 0 and self._first - before <= _CONTEXT_BYTES) or (
            behind >= 0 and behind - self._first <= 2 * _CONTEXT_BYTES
        )

    def _name(self) -> bytes:
        """Of the number: the name or the words before it."""
        begin, stop = self._groups[self._at]
        begin -= self._text[begin - 1 : begin] == b"-"
        opened = self._text[begin - 1 : begin] in (b'"', b"'")
        if opened and self._text[stop : stop + 1] not in (b'"', b"'", b"\\", b"."):
            return b""  # a text that begins with it
        name = key_before(self._text, begin, self._start)
        joint = self._text[begin - 3 : begin]
        logger = b"." in name and name.rpartition(b".")[2].lower() in _LOGGERS
        if logger and joint[1:] == b": " and joint[:1] not in (b'"', b"'", b"\\"):
            return b""  # and then what it says
        if name in _VAGUE:
            at = self._text.rfind(name, self._start, self._first)
            name = key_before(self._text, at, self._start) + b" " + name
        return name or self._list_name()

    def _list_name(self) -> bytes:
        """Of a list of numbers."""
        low = max(self._start, self._first - 256)
        at = self._text.rfind(b"[", low, self._first)
        if at < 0 or self._text[at + 1 : self._first].strip(b"0123456789,. \t\"'\\"):
            return b""
        return key_before(self._text, at, self._start)

    def _joined(self) -> bool:
        """Whether it is part of something longer: a fraction, a word, a number with parts."""
        text, (begin, stop) = self._text, self._groups[self._at]
        head, tail = text[max(self._start, begin - 2) : begin], text[stop : stop + 2]
        if head and head[-1] in _LETTERS and head[:1] != b"\\":
            return True
        part = head[:1].isalnum() or head[:1] == b"_"
        if (head[-1:] == b"-" and part and len(head) == 2) or (
            head[-1:] in _PARTS and head[:1].isdigit()
        ):
            return True
        if tail[:1] not in _PARTS:
            return bool(tail) and tail[0] in _LETTERS
        return tail[1:].isdigit() and not _ZEROS.match(text, stop)

    def found(self, count: int) -> Iterator[Found]:
        """The card of `count` groups, and the security code that stands behind it and its date."""
        groups = self._groups[self._at : self._at + count]
        stop = groups[-1].stop
        if fraction := _ZEROS.match(self._text, stop):
            stop = fraction.end()
        yield Found(self._first, stop, b"".join(self._text[a:b] for a, b in groups))
        if code := _CODE_BEHIND.match(self._text, stop):
            yield Found(*code.span("value"), code["value"], "cvv")


def _digits(match: re.Match[bytes]) -> bytes:
    return digits_of(match["value"])


def _stripe(match: re.Match[bytes]) -> bytes | None:
    number = digits_of(match["one"] or match["two"])
    return match["value"] if card(number) else None


_NAMED_CODE = (
    rb"(?<![A-Za-z])(?:card|cc|credit_?card)?[_\-.]?(?:cvv2?|cvc2?|cvn|csc|"
    rb"card.?code|security.?code|"
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
            rb"(?:cvv|cvc|cvn|csc)2?[^\n]{0,24}[0-9]{3}",
            rb"(?:security|card|verification).?(?:code|number|value)[^\n]{0,24}[0-9]{3}",
        ),
        pattern=re.compile(
            _NAMED_CODE + rb"\\*[\"']?\s{0,3}(?:[:=#>]|=>|is|was|\(|)\s{0,3}\\*[\"']?"
            rb"(?P<value>\d{3,4})(?!\d|\.\d*[1-9])",
            re.IGNORECASE,
        ),
        check=as_it_is,
        before=64,
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
        "pin",
        "pin",
        candidates=(
            rb"pin[^a-z\n][^\n]{0,25}[0-9]{4}",
            rb"pin(?:code|number|no)[^\n]{0,22}[0-9]{4}",
        ),
        pattern=re.compile(
            rb"(?<![A-Za-z])(?:(?:card|user|atm|debit|new|old)?[_\-. ]?"
            rb"pin(?:[_\-. ]?(?:code|number|no))?"
            rb"\\*[\"']?\s{0,2}(?:=>|[:=>]|is|was)\s{0,2}|"
            rb"(?:(?:card|entered|atm|debit|wrong)[_\- ]pin|pin[_\- ](?:code|number)|--pin)"
            rb"\s{1,2})\\*[\"']?"
            rb"(?P<value>\d{4,6}|[0-9A-F]{16})(?![\w.])",
            re.IGNORECASE,
        ),
        check=as_it_is,
        before=60,
        after=18,
        matches=(
            b"pin=1234",
            b'{"pin":"123456"}',
            b"PIN code: 4321",
            b"card pin 4889 wrong",
            b'{"pinCode"=>"8065"}',
        ),
        traps=(
            b"GPIO pin 18",
            b"pinned 1234",
            b"spinning: 1234",
            b"gpio pin=18",
            b"pin 4 of 1234",
            b"pin 1234 of the header",
        ),
    ),
    Shape(
        "pan-cut",
        "pan",
        candidates=(rb"\[cut [0-9]",),
        pattern=re.compile(rb"(?P<value>\d(?:[ \-]?\d){6,18})[ \-]? \xe2\x80\xa6\[cut \d"),
        check=_digits,
        before=60,
        after=4,
        matches=(
            b"paid with 4111 1111 11 \xe2\x80\xa6[cut 90 bytes]",
            b"411111111 \xe2\x80\xa6[cut 90 bytes]",
        ),
        traps=(b"in 12 \xe2\x80\xa6[cut 90 bytes]", b"[cut 9 bytes] 4111111111"),
    ),
    Cards(),
    BareCards(),
)
