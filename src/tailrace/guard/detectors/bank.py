"""Bank accounts."""

from __future__ import annotations

import re

from tailrace.guard.checks import iban, iban_length
from tailrace.guard.detectors.detector import Detector, Found, Window

_START = re.compile(rb"(?:(?<![A-Za-z0-9])|(?<=\\[nrt]))[A-Za-z]{2}\d\d(?=[ \-+]?[0-9A-Za-z])")


class Ibans:
    """An IBAN in groups of four or without, of a country's own length, 1 modulo 97."""

    name = "iban"
    kind = "iban"
    candidates = (rb"(?:iban|account|konto)[^\n]{0,20}?[A-Z][A-Z][0-9][0-9]",)
    cased = (
        rb"[A-Z][A-Z][0-9][0-9][0-9A-Z]{11}",
        *(
            rb"[A-Z][A-Z][0-9][0-9]%b[0-9A-Z]{4}%b[0-9]" % (gap, gap)
            for gap in (b" ", b"-", rb"\+")
        ),
    )
    matches = (
        b"to DE89 3704 0044 0532 0130 00",
        b"iban=GB82WEST12345698765432",
        b'{"iban":"fr1420041010050500013m02606"}',
        b"NO93 8601 1117 947 ok",
        b"account NL91ABNA0417164300.",
    )
    traps = (b"DE89 3704 0044 0532 0130 01", b"XX89370400440532013000", b"id de12ab34cd56ef78")

    def promising(self, text: bytes, end: int) -> bool:
        """See Detector."""
        return True

    def look(self, window: Window) -> list[Found]:
        """See Detector."""
        text, start, stop, end, _memo = window
        found = []
        for match in _START.finditer(text, max(start, end - 24), min(stop, end + 2)):
            at = match.start()
            length = iban_length(text[at : at + 2].upper())
            if length and (value := _read(text, at, min(stop, at + 64), length)):
                found.append(value)
        return found


def _read(text: bytes, at: int, stop: int, length: int) -> Found | None:
    """`length` letters and digits from `at` on, when they are an IBAN and nothing goes on."""
    value = bytearray()
    for position in range(at, stop):
        byte = text[position : position + 1]
        if byte.isalnum():
            value += byte.upper()
            if len(value) == length:
                ended = not text[position + 1 : position + 2].isalnum()
                whole = bytes(value)
                return Found(at, position + 1, whole) if ended and iban(whole) else None
        elif byte not in (b" ", b"-", b"+") or not text[position - 1 : position].isalnum():
            return None
    return None


BANK: tuple[Detector, ...] = (Ibans(),)
