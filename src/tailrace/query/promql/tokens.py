"""PromQL text to tokens, and the words of its grammar."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tailrace.core.errors import QueryError
from tailrace.core.limits import QUERY_TEXT_BYTES
from tailrace.query.logql.cursor import Cursor
from tailrace.query.logql.duration import LONGEST_NS, UNITS_NS
from tailrace.query.logql.lexer import Kind, Token, scanned
from tailrace.query.logql.words import Words

_SKIP = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
# What ends a number; it may stand right before the ":" of a subquery.
_AFTER = r"(?![A-Za-z0-9_.])"
_UNITS = ("y", "w", "d", "h", "m", "s", "ms")
_DURATION = re.compile(
    rf"(?=[0-9]){''.join(rf'(?:[0-9]+{unit})?' for unit in _UNITS)}(?<![0-9]){_AFTER}"
)
# A "_" between digits is for the eye.
_DIGITS = "[0-9](?:_?[0-9])*"
_HEX = re.compile(rf"0[xX](?:_?[0-9a-fA-F])+{_AFTER}")
_NUMBER = re.compile(
    rf"(?:{_DIGITS}(?:\.(?:{_DIGITS})?)?|\.{_DIGITS})(?:[eE][+-]?{_DIGITS})?{_AFTER}"
)
# A digit after a ":" is the step of a subquery.
_NAME = re.compile(r"(?:[A-Za-z_]|:(?![0-9\]\s]))[A-Za-z0-9_:]*")
_SYMBOL = re.compile(r"!=|!~|=~|==|>=|<=|[{}()\[\],=+\-*/%^<>@:]")
_KINDS: Sequence[tuple[Kind, re.Pattern[str]]] = (
    ("duration", _DURATION),
    ("number", _HEX),
    ("number", _NUMBER),
    ("name", _NAME),
    ("symbol", _SYMBOL),
)
_PART = re.compile(r"([0-9]+)(ms|[ywdhms])")
MS = 1_000_000


def tokens(source: str) -> list[Token]:
    """All tokens, the last of kind "end". Raises QueryError at the first that is none."""
    if len(source.encode("utf-8", "replace")) > QUERY_TEXT_BYTES:
        raise QueryError(f"the query is longer than {QUERY_TEXT_BYTES} bytes (QUERY_TEXT_BYTES)", 0)
    return scanned(source, _SKIP, _KINDS, "\"'")


def duration_ns(token: Token) -> int | None:
    """Nanoseconds of `5m`, or of a number of seconds; None when it is longer than ten years."""
    if token.kind == "duration":
        found = _nanoseconds(token.text)
    else:
        seconds = number_of(token)
        if seconds * 1e9 > LONGEST_NS:
            return None
        found = round(seconds * 1000) * MS
    return found if found <= LONGEST_NS else None


def number_of(token: Token) -> float:
    """The value of a number; a duration is its seconds."""
    if token.kind == "duration":
        return float(_nanoseconds(token.text)) / 1e9
    if token.text[:2] in ("0x", "0X"):
        return float(int(token.text, 16)) if len(token.text) < 200 else float("inf")
    return float(token.text)


def _nanoseconds(duration: str) -> int:
    return sum(int(n[:20]) * UNITS_NS[unit] for n, unit in _PART.findall(duration))


class PromWords(Words):
    """A cursor over PromQL: its keywords are the same in capitals, and labels may be quoted."""

    def __init__(self, source: str) -> None:
        Cursor.__init__(self, source, tokens(source))
        self._terms = 0
        self._depth = 0

    @property
    def _keyword(self) -> str:
        return self._now.text.lower()

    def _name(self, context: str) -> Token:
        colon = self._now.kind == "name" and ":" in self._now.text
        if colon or self._now.kind not in ("name", "string"):
            raise self._fail(f"expected a label {context}, found {self._now.shown}")
        self._count(self._now)
        return self._next()

    def _duration(self, context: str) -> int:
        """A duration above 0, or a number of seconds."""
        token = self._now
        if token.kind not in ("duration", "number"):
            raise self._fail(f"expected a duration {context}, found {token.shown}")
        found = duration_ns(token)
        if found is None:
            raise self._fail("the duration is longer than ten years")
        if found <= 0:
            raise self._fail("a duration must be above 0")
        self._next()
        return found
