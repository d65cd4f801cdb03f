r"""Rows as a person reads them: with ASCII digits and separators, whatever they were written in.

A number is split by spaces of a dozen kinds, by escapes of JSON (`\u00a0`, `\n`), of URLs (`%20`)
and of HTML (`&nbsp;`), and its digits are written in other scripts. Folding writes one ASCII
character for each of these, so that every detector needs to know only that one, and remembers where
it was. Quotes that were escaped become apostrophes: they must not end the JSON string they are in.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right

_SPACES = "\u00a0\u1680\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"
_NOTHINGS = "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
_OTHERS = {"\uff20": b"@", "\uff0e": b".", "\uff0f": b"/", "\uff1d": b"=", "\uff1a": b":"}


def _table() -> dict[bytes, bytes]:
    """What each character beyond ASCII is folded to, by its UTF-8."""
    found = {char.encode(): b" " for char in _SPACES}
    found |= {char.encode(): b"-" for char in _DASHES}
    found |= {char.encode(): b"" for char in _NOTHINGS}
    found |= {char.encode(): plain for char, plain in _OTHERS.items()}
    for code in range(128, 0x20000):
        digit = unicodedata.digit(chr(code), None)
        if digit is not None and unicodedata.category(chr(code)) == "Nd":
            found[chr(code).encode()] = b"%d" % digit
    return found


_TABLE = _table()
_HTML = {
    b"nbsp": b" ", b"ensp": b" ", b"emsp": b" ", b"thinsp": b" ", b"ndash": b"-", b"mdash": b"-",
    b"quot": b"'", b"apos": b"'", b"commat": b"@", b"amp": b"&", b"equals": b"=", b"colon": b":",
    b"lt": b"<", b"gt": b">",
}  # fmt: skip
_BACKSLASH = 0x5C
# Escaped characters that may stand in what is looked for, or directly beside it.
_PLAIN = frozenset(range(0x20, 0x7F)) - frozenset(b'"\\`')
_ESCAPE = re.compile(
    # A colour of a console: it ends with a letter.
    rb"(?P<colour>(?:\x1b|(?<!\\)\\+(?:u001[bB]|x1[bB]|033|e))\[[0-9;:?]{0,20}[A-Za-z])|"
    rb"(?<!\\)\\+(?:[uU](?P<u>[0-9a-fA-F]{4})|x(?P<x>[0-9a-fA-F]{2})|(?P<blank>[nrt])|(?P<slash>/))|"
    rb"(?P<percent>(?:%[0-9a-fA-F]{2})+)|"
    rb"&(?:#(?P<decimal>\d{2,6})|#[xX](?P<hex>[0-9a-fA-F]{2,5})|(?P<name>[a-zA-Z]{2,7}));|"
    rb"(?P<control>\x1e)|(?P<wide>[\xc2-\xf4][\x80-\xbf]{1,3})"
)
_PERCENT = re.compile(rb"%([0-9a-fA-F]{2})")


# One code within another: an entity in a URL, a URL in JSON.
_ROUNDS = 3


class Folded:
    """`text` is the fold of a row, `same` when it is the row itself. Where in the row something of
    it is, `raw` says."""

    def __init__(self, row: bytes) -> None:
        self.text = row
        self._maps: list[_Map] = []
        for _ in range(_ROUNDS):
            once = _Map(self.text)
            if once.same:
                break
            self.text = once.text
            self._maps.append(once)
        self.same = not self._maps

    def raw(self, at: int) -> int:
        """Of an offset in `text` that in the row."""
        for one in reversed(self._maps):
            at = one.raw(at)
        return at


class _Map:
    """One round."""

    def __init__(self, row: bytes) -> None:
        pieces: list[bytes] = []
        self._folded: list[int] = [0]
        self._raw: list[int] = [0]
        size = done = 0
        for match in _ESCAPE.finditer(row):
            for start, stop, plain in _plain(match):
                pieces += (row[done:start], plain)
                size += start - done + len(plain)
                done = stop
                self._folded.append(size)
                self._raw.append(stop)
        pieces.append(row[done:])
        self.text = b"".join(pieces)
        self.same = not done

    def raw(self, at: int) -> int:
        """See Folded."""
        index = bisect_right(self._folded, at) - 1
        return self._raw[index] + at - self._folded[index]


def _plain(match: re.Match[bytes]) -> list[tuple[int, int, bytes]]:
    """What of a match is written otherwise: start, stop and text of each part."""
    start, stop = match.span()
    kind = match.lastgroup
    if kind == "percent":
        return _percent(match)
    if kind == "wide":
        plain = _TABLE.get(match[0])
    elif kind in ("blank", "control", "colour"):
        plain = b" "
    elif kind == "slash":
        plain = b"/"
    elif kind == "name":
        plain = _HTML.get(match["name"])
    else:
        code = int(match[kind or 0], 10 if kind == "decimal" else 16)
        plain = _of_code(code)
        if plain is None and kind == "u" and code != _BACKSLASH:
            plain = b" "  # its digits must not join a number behind it
    return [] if plain is None else [(start, stop, plain)]


def _of_code(code: int) -> bytes | None:
    if code in _PLAIN:
        return bytes([code])
    if code in (0x22, 0x60):
        return b"'"
    if code in (0x09, 0x0A, 0x0D):
        return b" "
    if code < 0x80 or 0xD800 <= code < 0xE000 or code > 0x10FFFF:
        return None
    return _of_char(chr(code).encode())


def _of_char(char: bytes) -> bytes | None:
    """Letters are written as they are: names and addresses have them."""
    plain = _TABLE.get(char)
    if plain is None and len(char) > 1 and char.decode(errors="replace").isalpha():
        return char
    return plain


def _percent(match: re.Match[bytes]) -> list[tuple[int, int, bytes]]:
    """A run of encoded bytes: each ASCII one alone, those of one character together."""
    found: list[tuple[int, int, bytes]] = []
    base, parts = match.start(), list(_PERCENT.finditer(match[0]))
    at = 0
    while at < len(parts):
        byte = int(parts[at][1], 16)
        width = 1 if byte < 0xC2 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
        together = parts[at : at + width]
        code = bytes(int(part[1], 16) for part in together)
        plain = _of_char(code) if byte >= 0x80 else _of_code(byte)
        if plain is not None:
            found.append((base + together[0].start(), base + together[-1].end(), plain))
        at += width if width == 1 or plain is not None else 1
    return found


# Where a row has to be folded: something in it stands beside a digit, or for a character that
# detectors look for. As simple as candidates have to be (detectors/detector.py).
FOLDS: tuple[bytes, ...] = (
    rb"[0-9]\xc2[\xa0\xad]",
    rb"[0-9][ \-]\xc2\xa0",
    rb"[0-9]\xe2\x80[\x80-\xaf]",
    rb"[0-9]\xe2\x81[\x9f\xa0]",
    rb"[0-9]\xe2\x88\x92",
    rb"[0-9]\xe3\x80\x80",
    rb"[0-9]\xef(?:\xbb\xbf|\xbc\x8d|\xb9[\x98\xa3])",
    rb"[0-9]\\{1,15}u[0-9a-f]{4}",
    rb"[0-9]\\{1,15}x[0-9a-f]{2}[0-9]",
    rb"[0-9]\\{1,15}/[0-9]",
    rb"[0-9]\\{1,15}[nrt][0-9]",
    rb"[0-9][ \-]\\{1,15}[nrt][0-9]",
    rb"[0-9]\\{1,15}r\\{1,15}n[0-9]",
    rb"[0-9]\\{1,15}n[ \t]{1,8}[0-9]",
    rb"[0-9][ \-]?\x1e[ \t]{0,8}[0-9]",
    rb"&(?:nbsp|#160|#xa0|ensp|thinsp|ndash|#8209|#x2011|#8211|#8239|#64|#x40|commat|quot|#34|lt);",
    rb"\\u(?:003[0-9]|00[46]0|003d|003a|002[0-9a-f])",
    rb"\\x(?:3[0-9a]|40|3d)",
    rb"\\u[0-9a-f]{4}[0-9]{3}",
    rb"(?:\x1b|u001b|x1b|\\033|\\e)\[[0-9;]{0,10}m[0-9]",
    rb"(?:\x1b|u001b|x1b|\\033|\\e)\[[0-9;]{0,10}m[^\x1b\n]{1,64}@",
    rb"\\u(?:ff|0[6-9a-f])[0-9a-f]{2}\\",
    rb":\\{1,15}/\\{1,15}/",
    rb"%[2-7][0-9a-f]",
    rb"%0[9ad]",
    rb"&amp;[a-z#]",
    rb"%[c-f][0-9a-f]%[89ab][0-9a-f]",
    # Digits of other scripts: Arabic, Devanagari to Lao and beyond, full-width, mathematical.
    rb"\xd9[\xa0-\xa9]\xd9[\xa0-\xa9]",
    rb"\xdb[\xb0-\xb9]\xdb[\xb0-\xb9]",
    rb"\xdf[\x80-\x89]\xdf[\x80-\x89]",
    rb"\xe1[\x81-\x9f][\x80-\xbf]\xe1[\x81-\x9f][\x80-\xbf]",
    rb"\xe0[\xa5-\xbc][\x90-\xbf]\xe0[\xa5-\xbc][\x90-\xbf]",
    rb"[\x80-\xbf]\xc2\xa0[\xc3-\xf4]",
    rb"\xef\xbc[\x8e\xa0]",
    rb"\\uff(?:20|0e)",
    rb"\xef\xbc[\x90-\x99]\xef\xbc[\x90-\x99]",
    rb"\xf0\x9d\x9f[\x80-\xbf]\xf0\x9d\x9f[\x80-\xbf]",
    rb"\xd9[\xa0-\xa9][ \-]\xd9[\xa0-\xa9]",
    rb"\xef\xbc[\x90-\x99][ \-]\xef\xbc[\x90-\x99]",
)
