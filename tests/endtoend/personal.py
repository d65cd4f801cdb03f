"""Invented cards and social security numbers, in the forms in which applications log them.

Each place of each door gets values of its own, so that one that got past names where it did.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import NamedTuple
from urllib.parse import quote

Write = Callable[[str], str]
# Issuers' beginnings by length: fifteen digits are printed 4-6-5, fourteen 4-6-4.
_BEGINNINGS = {16: ("4", "51", "54", "2223", "6011", "3530", "62"), 15: ("34", "37"), 14: ("36",)}
_PRINTED = {16: (4, 4, 4, 4), 15: (4, 6, 5), 14: (4, 6, 4)}
_DASHED = (3, 2, 4)


class Value(NamedTuple):
    """`digits` of a `kind` (pan, ssn), sent as `text` to `place`."""

    kind: str
    digits: str
    place: str
    form: str
    text: str


def card(chance: random.Random) -> str:
    """Valid by Luhn's check digit."""
    size = chance.choice((16, 16, 16, 15, 14))
    digits = chance.choice(_BEGINNINGS[size])
    digits += "".join(chance.choices("0123456789", k=size - 1 - len(digits)))
    doubled = [int(digit) * (2 - at % 2) for at, digit in enumerate(reversed(digits))]
    return digits + str(-sum(n // 10 + n % 10 for n in doubled) % 10)


def ssn(chance: random.Random) -> str:
    """As the Social Security Administration assigns them."""
    area = chance.choice([n for n in range(1, 900) if n != 666])
    return f"{area:03d}{chance.randrange(1, 100):02d}{chance.randrange(1, 10_000):04d}"


def parted(digits: str, separator: str) -> str:
    """As it is printed."""
    sizes = _DASHED if len(digits) == 9 else _PRINTED[len(digits)]
    starts = [sum(sizes[:n]) for n in range(len(sizes))]
    return separator.join(
        digits[start : start + size] for start, size in zip(starts, sizes, strict=True)
    )


def script(zero: str) -> Write:
    """With digits of another script, of which `zero` is the first."""
    return lambda text: "".join(
        chr(ord(zero) + int(char)) if char.isdigit() else char for char in text
    )


CARDS: dict[str, Write] = {
    "spaces": lambda d: f"paid with {parted(d, ' ')} today",
    "dashes": lambda d: f"paid with {parted(d, '-')} today",
    "no-break spaces": lambda d: f"paid with {parted(d, chr(0xA0))} today",
    "bare beside a word": lambda d: f"declined card={d} again",
    "bare": lambda d: f"paid by {d} today",
    "JSON text": lambda d: f'got {{"card":"{d}","n":1}}',
    "JSON number": lambda d: f'got {{"card":{d},"n":1}}',
    "JSON in JSON": lambda d: json.dumps({"body": json.dumps({"to": {"card": parted(d, " ")}})}),
    "a number of JSON in JSON": lambda d: json.dumps({"body": json.dumps({"card": int(d)})}),
    "URL": lambda d: f"GET /pay?card={quote(parted(d, ' '))}&n=1",
    "URL twice": lambda d: f"GET /pay?next={quote(quote('/x?card=' + parted(d, ' ')))}",
    "escaped spaces": lambda d: "paid with " + parted(d, "\\u00a0") + " today",
    "Arabic digits": lambda d: "paid with " + script("\u0660")(parted(d, " ")) + " today",
    "wide digits": lambda d: "card " + script("\uff10")(d) + " declined",
    "beside a sign": lambda d: f"paid \u53f7{d} today",
    "colours": lambda d: f"paid by \x1b[33m{d}\x1b[0m today",
}
SSNS: dict[str, Write] = {
    "dashes": lambda d: f"customer {parted(d, '-')} called",
    "name": lambda d: f"asked ssn={d} again",
    "JSON text": lambda d: f'got {{"ssn":"{d}","n":1}}',
    "JSON number": lambda d: f'got {{"ssn":{d},"n":1}}',
    "JSON in JSON": lambda d: json.dumps({"body": json.dumps({"ssn": parted(d, "-")})}),
    "URL": lambda d: f"GET /who?ssn={parted(d, '%2D')}",
    "other dashes": lambda d: "ssn " + parted(d, "\u2011") + " found",
    "wide digits": lambda d: "ssn " + script("\uff10")(parted(d, "-")) + " found",
    "colours": lambda d: f"customer \x1b[32m{parted(d, '-')}\x1b[0m called",
}
# Where a record may hold a newline.
BROKEN_CARDS: dict[str, Write] = {
    "newline": lambda d: "paid with " + parted(d, "\n") + " today",
    "newline beside spaces": lambda d: "card number:\n" + parted(d, " "),
}


class Corpus:
    """`values` are all that were given out. `shared`: one card and one number for every place."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._known: set[str] = set()
        self.values: list[Value] = []
        self.shared = (self._new("pan"), self._new("ssn"))

    def texts(self, place: str, newlines: bool = True) -> list[str]:
        """One of each form, of values that no other place has, and the shared ones."""
        cards = {**CARDS, **BROKEN_CARDS} if newlines else CARDS
        found = [*self._written(place, "pan", cards), *self._written(place, "ssn", SSNS)]
        pan, number = self.shared
        found.append(Value("pan", pan, place, "shared", f"shared {parted(pan, ' ')} here"))
        found.append(Value("ssn", number, place, "shared", f"shared ssn {parted(number, '-')}"))
        self.values += found
        return [value.text for value in found]

    def members(self, place: str) -> dict[str, str | int]:
        """Members of an object, by names that say what they are."""
        pan, text = self._new("pan"), self._new("pan")
        number, dashed = self._new("ssn"), self._new("ssn")
        while number.startswith("0"):
            number = self._new("ssn")
        found: dict[str, tuple[str, str, str | int]] = {
            "card": ("pan", pan, int(pan)),
            "cardNumber": ("pan", text, text),
            "ssn": ("ssn", number, int(number)),
            "social_security_number": ("ssn", dashed, parted(dashed, "-")),
        }
        for key, (kind, digits, sent) in found.items():
            self.values.append(Value(kind, digits, place, key, str(sent)))
        return {key: sent for key, (_, _, sent) in found.items()}

    def _written(self, place: str, kind: str, forms: dict[str, Write]) -> Iterator[Value]:
        for form, write in forms.items():
            digits = self._new(kind)
            yield Value(kind, digits, place, form, write(digits))

    def _new(self, kind: str) -> str:
        make = card if kind == "pan" else ssn
        while (digits := make(self._chance)) in self._known:
            pass
        self._known.add(digits)
        return digits
