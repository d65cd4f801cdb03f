"""Ways of writing a number, honest ones and evasions, and codes that a line is written in."""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus

from bench.corpus import cards
from bench.corpus.chance import Chance, Weighted
from bench.corpus.sample import Form, Fragment, Value

Encode = Callable[[str], str]
NBSP, NARROW, FIGURE, EN_DASH, NO_BREAK_DASH = "\u00a0", "\u202f", "\u2007", "\u2013", "\u2011"
# Between the groups of a card, by how often people and programs do so.
_BETWEEN = Weighted(
    (
        (" ", 40),
        ("-", 25),
        (NBSP, 8),
        (NARROW, 3),
        (FIGURE, 2),
        (EN_DASH, 3),
        (NO_BREAK_DASH, 1.5),
        (".", 3),
        ("  ", 1.5),
        (" - ", 1.5),
        ("\t", 1),
        ("&nbsp;", 2),
        ("\n", 1),
    )
)
# Nobody's wish, but found where text was copied from pages or joined by a program.
_RARE = ("\u200b", "\u2060", "\u00ad", "\ufeff", "_", "/", ":")
_ZEROS = {"arabic": 0x0660, "persian": 0x06F0, "devanagari": 0x0966, "fullwidth": 0xFF10}
_SCRIPTS = tuple(_ZEROS.values())


def grouped(chance: Chance, card: Value) -> Fragment:
    """In the groups of its issuer, with something between them."""
    between = chance.weighted(_BETWEEN)
    if between == "\n":
        first, *rest = cards.groups(card.text)
        text = f"{first} {rest[0]}\n{' '.join(rest[1:])}"
    else:
        text = between.join(cards.groups(card.text))
    return card.fragment("formatted", text)


def spaced(chance: Chance, card: Value) -> Fragment:
    """Every digit apart."""
    return card.fragment("formatted", chance.pick((" ", " ", "-", NBSP)).join(card.text))


def foreign(chance: Chance, text: str) -> str:
    """Digits of another script."""
    zero = chance.pick(_SCRIPTS)
    return "".join(chr(zero + int(c)) if c.isdigit() else c for c in text)


def rare(chance: Chance, card: Value) -> Fragment:
    """With something between the groups that hardly anybody writes, or sees."""
    return card.fragment("exotic", chance.pick(_RARE).join(cards.groups(card.text)))


def nine(chance: Chance, value: Value, context: bool) -> Fragment:
    """A number of nine digits in dashes, and with words around it in other ways too."""
    digits = value.value
    three = (digits[:3], digits[3:5], digits[5:])
    point = chance.random()
    form: Form = "formatted"
    if not context or point < 0.4:
        between = "-" if chance.odds(0.9) else chance.pick((EN_DASH, NO_BREAK_DASH))
        text = between.join(three)
    elif point < 0.6:
        text = chance.pick((" ", " ", NBSP, NARROW, " - ", ".")).join(three)
    else:
        text, form = digits, "contextual"
    if context and chance.odds(0.03):
        text = foreign(chance, text)
    return value.fragment(form, text)


def json_text(text: str) -> str:
    """Inside of a JSON string, other letters as they are."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def json_ascii(text: str) -> str:
    """Inside of a JSON string, other letters as `\\uXXXX`."""
    return json.dumps(text)[1:-1]


def json_digits(text: str) -> str:
    """Inside of a JSON string, with digits and `@` written as `\\uXXXX` too."""
    return "".join(
        f"\\u{ord(c):04x}" if (c.isdigit() and ord(c) < 128) or c == "@" else json_ascii(c)
        for c in text
    )


def json_slashes(text: str) -> str:
    """As PHP writes JSON: slashes escaped."""
    return json_ascii(text).replace("/", "\\/")


def url_text(text: str) -> str:
    return quote(text.replace("&nbsp;", NBSP), safe="")


def form_text(text: str) -> str:
    return quote_plus(text.replace("&nbsp;", NBSP))


def url_all(text: str) -> str:
    """Every byte as `%XX`, letters and digits too."""
    return "".join(f"%{byte:02X}" for byte in text.replace("&nbsp;", NBSP).encode())


# Whose digits and signs somebody might hide; nobody writes a token so.
DISGUISED = frozenset({"pan", "ssn", "itin", "iban", "email", "phone"})


def html_text(text: str) -> str:
    found = (
        text.replace("&nbsp;", NBSP)
        .replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace('"', "&quot;")
    )
    return found.replace(NBSP, "&nbsp;")


def html_at(text: str) -> str:
    return text.replace("@", "&#64;")


JSON_CODES: Weighted[Encode] = Weighted(((json_text, 60), (json_ascii, 30), (json_slashes, 5)))
