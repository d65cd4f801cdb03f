"""What a row says to whoever reads it, whatever it is written in: one string of letters and digits.

The judge looks for values here and owes nothing to the guard's own reading. Percent codes,
`\\uXXXX` and `\\xXX` (after any number of backslashes) and HTML entities are decoded until none is
left, digits of every script become ASCII, compatibility forms their plain ones; then all that is no
letter and no digit goes, and case with it.
"""

from __future__ import annotations

import html
import re
import unicodedata
from urllib.parse import unquote

# JSON in JSON in a URL takes three rounds.
_ROUNDS = 5
_ESCAPED = re.compile(r"\\+(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2}))")
_LAYOUT = re.compile(r"\\+[nrtbf]")
_PERCENT = re.compile(r"%[0-9a-fA-F]{2}")
_ENTITY = re.compile(r"&(?:#\d+|#x[0-9a-fA-F]+|[a-z]+);")
_OTHER = re.compile(r"[\W_]+")
_FOREIGN_DIGIT = re.compile(r"[^\x00-\x7f]")


def folded(row: str) -> str:
    """`row` as letters and digits only, in lower case.

    A percent sign may also be only that, as in track 1 ("%B4111..."): then the row without its
    percent codes decoded follows, after a blank.
    """
    found = _letters(decoded(row))
    if "%" in row:
        found += " " + _letters(decoded(row, percent=False))
    return found


def decoded(row: str, percent: bool = True) -> str:
    """`row` with its codes and entities replaced by what they stand for."""
    for _ in range(_ROUNDS):
        before = row
        if percent and "%" in row and _PERCENT.search(row):
            row = unquote(row, errors="replace")
        if "\\" in row:
            row = _ESCAPED.sub(lambda found: chr(int(found[1] or found[2], 16)), row)
        if "&" in row and _ENTITY.search(row):
            row = html.unescape(row)
        if row == before:
            break
    return row


def _letters(text: str) -> str:
    return compact(_LAYOUT.sub(" ", text))


def compact(text: str) -> str:
    """Letters and digits of decoded text, in lower case, digits as ASCII."""
    if not text.isascii():
        text = _FOREIGN_DIGIT.sub(_ascii_digit, unicodedata.normalize("NFKC", text))
    return _OTHER.sub("", text).lower()


def _ascii_digit(found: re.Match[str]) -> str:
    value = unicodedata.decimal(found[0], None)
    return found[0] if value is None else str(value)
