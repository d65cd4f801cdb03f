"""LogQL text to tokens, each with its place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from tailrace.core.errors import QueryError

Kind = Literal["name", "string", "number", "duration", "bytes", "symbol", "end"]

_SKIP = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ns|us|µs|ms|s|m|h|d|w|y))+(?![A-Za-z0-9_.])")
_BYTES = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:[kKmMgGtTpPeE][iI]?)?[bB](?![A-Za-z0-9_.])")
_NUMBER = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![A-Za-z0-9_.])")
# What begins like a number and is none: the parser says what it expected there.
_ODD = re.compile(r"[0-9.]+[A-Za-z0-9_.]*")
_SYMBOLS = re.compile(r"\|=|\|~|\|>|!=|!~|!>|=~|==|>=|<=|[{}()\[\],=|+\-*/%^<>@:!]")
_KINDS: Sequence[tuple[Kind, re.Pattern[str]]] = (
    ("name", _NAME),
    ("duration", _DURATION),
    ("bytes", _BYTES),
    ("number", _NUMBER),
    ("symbol", _SYMBOLS),
    ("symbol", _ODD),
)
_PLACED = re.compile(r"at [0-9]+:[0-9]+$")
_ESCAPE = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|([abfnrtv\\\"']))"
)
_SIMPLE = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    '"': '"',
    "'": "'",
}


@dataclass(frozen=True)
class Token:
    """`text` is the source, except for strings, where it is the value."""

    kind: Kind
    text: str
    position: int

    @property
    def shown(self) -> str:
        """How an error names this token."""
        return "the end" if self.kind == "end" else repr(self.text)


def place(source: str, position: int) -> str:
    """`line:column`, both from 1."""
    line = source.count("\n", 0, position) + 1
    return f"{line}:{position - source.rfind(chr(10), 0, position)}"


@contextmanager
def placed(source: str) -> Iterator[None]:
    """Of errors that know the character only, the words end with line and column of `source`."""
    try:
        yield
    except QueryError as error:
        if error.position < 0 or _PLACED.search(str(error)):
            raise
        where = place(source, error.position)
        raise QueryError(f"{error} at {where}", error.position) from error.__cause__


def tokens(source: str) -> list[Token]:
    """All tokens, the last of kind "end". Raises QueryError at the first that is none."""
    return scanned(source, _SKIP, _KINDS, '"')


def scanned(
    source: str,
    skip: re.Pattern[str],
    kinds: Sequence[tuple[Kind, re.Pattern[str]]],
    quotes: str,
) -> list[Token]:
    """Like `tokens`, for another language: what is between tokens, their kinds in the order in
    which they are tried, and what strings begin with besides a backtick."""
    found: list[Token] = []
    at = _skipped(source, skip, 0)
    while at < len(source):
        token, at = _token(source, at, kinds, quotes)
        found.append(token)
        at = _skipped(source, skip, at)
    return [*found, Token("end", "", len(source))]


def _skipped(source: str, skip: re.Pattern[str], at: int) -> int:
    space = skip.match(source, at)
    return space.end() if space else at


def _token(
    source: str, at: int, kinds: Sequence[tuple[Kind, re.Pattern[str]]], quotes: str
) -> tuple[Token, int]:
    if source[at] == "`":
        return raw_string(source, at)
    if source[at] in quotes:
        return quoted_string(source, at)
    for kind, pattern in kinds:
        matched = pattern.match(source, at)
        if matched:
            return Token(kind, matched[0], at), matched.end()
    raise QueryError(f"unexpected {source[at]!r} at {place(source, at)}", at)


def raw_string(source: str, at: int) -> tuple[Token, int]:
    """The string in backticks that begins at `at`, and the place after it. Raises QueryError."""
    end = source.find("`", at + 1)
    if end < 0:
        raise QueryError(f"string is not closed with ` at {place(source, at)}", at)
    return Token("string", source[at + 1 : end], at), end + 1


def quoted_string(source: str, start: int) -> tuple[Token, int]:
    """The string that begins with the quote at `start`, and the place after it. Raises
    QueryError."""
    out = bytearray()
    quote = source[start]
    at = start + 1
    while at < len(source):
        char = source[at]
        if char == quote:
            return Token("string", _decode(source, bytes(out), start), start), at + 1
        if char == "\n":
            break
        if char == "\\":
            escape = _ESCAPE.match(source, at)
            if escape is None:
                raise QueryError(f"unknown escape in string at {place(source, at)}", at)
            out += _escaped(source, escape)
            at = escape.end()
        else:
            out += char.encode("utf-8", "surrogatepass")
            at += 1
    raise QueryError(f"string is not closed with {quote} at {place(source, start)}", start)


def _escaped(source: str, escape: re.Match[str]) -> bytes:
    byte, short, long, octal, simple = escape.groups()
    if simple:
        return _SIMPLE[simple].encode()
    if byte or octal:
        value = int(byte, 16) if byte else int(octal, 8)
        if value < 256:
            return bytes([value])
    else:
        point = int(short or long, 16)
        if point < 0x110000:
            return chr(point).encode("utf-8", "surrogatepass")
    at = escape.start()
    raise QueryError(f"escape is out of range in string at {place(source, at)}", at)


def _decode(source: str, value: bytes, at: int) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise QueryError(f"string is not valid UTF-8 at {place(source, at)}", at) from None
