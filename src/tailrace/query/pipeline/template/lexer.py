"""Template text to pieces: what is written as it is, and the tokens of each `{{action}}`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from tailrace.query.pipeline.template.values import Value

SPACES = " \t\r\n"
_COMMENT = re.compile(r"\{\{(?:-[ \t\r\n]++)?+/\*(.*?)\*/(?:[ \t\r\n]++-)?+\}\}", re.DOTALL)
_SPACE = re.compile(r"[ \t\r\n]++")
_STRING = re.compile(r'"((?:[^"\\\n]|\\.)*+)"')
_RAW = re.compile(r"`([^`]*+)`")
_CHAR = re.compile(r"'((?:[^'\\\n]|\\[^\n]){1,10}+)'")
_NUMBER = re.compile(
    r"[+-]?(?:0[xX][0-9a-fA-F_]++|0[bB][01_]++|0[oO][0-7_]++"
    r"|(?:[0-9][0-9_]*+(?:\.[0-9_]*+)?|\.[0-9][0-9_]*+)(?:[eE][+-]?[0-9]++)?)"
)
_FIELD = re.compile(r"\.([^\W0-9]\w*+)")
_VARIABLE = re.compile(r"\$\w*+")
_NAME = re.compile(r"[^\W0-9]\w*+")
_SYMBOL = re.compile(r":=|[()|=,.]")
_ESCAPE = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|([abfnrtv\\\"']))"
)
_SIMPLE = dict(zip("abfnrtv\\\"'", "\a\b\f\n\r\t\v\\\"'", strict=True))


class BadTemplate(Exception):
    """The template is wrong; `at` is the character of its text."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.at = at


@dataclass(frozen=True)
class Token:
    """`kind`: name, field, variable, constant, symbol or end. `spaced`: a space is before it."""

    kind: str
    text: str
    at: int
    spaced: bool
    value: Value = None


@dataclass(frozen=True)
class Action:
    """The tokens between `{{` and `}}`, the last of kind end."""

    tokens: tuple[Token, ...]
    at: int


Piece: TypeAlias = str | Action


def pieces(text: str) -> list[Piece]:
    """Raises BadTemplate."""
    found: list[Piece] = []
    at = 0
    trims = False
    while True:
        start = text.find("{{", at)
        literal = text[at:] if start < 0 else text[at:start]
        if trims:
            literal = literal.lstrip(SPACES)
        if start < 0:
            found.append(literal)
            return found
        if text.startswith("{{-", start) and text[start + 3 : start + 4] in tuple(SPACES):
            literal = literal.rstrip(SPACES)
        found.append(literal)
        comment = _COMMENT.match(text, start)
        if comment:
            at = comment.end()
        else:
            action, at = _action(text, start)
            found.append(action)
        trims = text[at - 3] == "-" and text[at - 4] in SPACES


def _action(text: str, start: int) -> tuple[Action, int]:
    at = start + 2
    if text.startswith("-", at) and text[at + 1 : at + 2] in tuple(SPACES):
        at += 1
    tokens: list[Token] = []
    while True:
        space = _SPACE.match(text, at)
        at = space.end() if space else at
        spaced = space is not None
        if text.startswith("}}", at) or (spaced and text.startswith("-}}", at)):
            end = text.index("}}", at) + 2
            return Action((*tokens, Token("end", "}}", at, spaced)), start), end
        if at >= len(text):
            raise BadTemplate("{{ without }}", start)
        token, at = _token(text, at, spaced)
        if tokens and not spaced and not _may_touch(tokens[-1], token):
            raise BadTemplate(f"a space is missing before {token.text!r}", token.at)
        tokens.append(token)


def _may_touch(before: Token, token: Token) -> bool:
    words = ("name", "constant", "variable", "field")
    if token.kind == "field":
        return before.kind in ("field", "variable", "symbol", "name")
    return before.kind not in words or token.kind not in words


def _token(text: str, at: int, spaced: bool) -> tuple[Token, int]:
    if text[at] == '"':
        return _quoted(text, at, spaced)
    if text[at] == "'":
        return _character(text, at, spaced)
    raw = _RAW.match(text, at)
    if raw:
        return Token("constant", raw[0], at, spaced, raw[1]), raw.end()
    number = _NUMBER.match(text, at)
    if number and number[0]:
        return Token("constant", number[0], at, spaced, _number(number[0], at)), number.end()
    for kind, pattern in (("field", _FIELD), ("variable", _VARIABLE), ("name", _NAME)):
        found = pattern.match(text, at)
        if found:
            value = found[1] if kind == "field" else None
            return Token(kind, found[0], at, spaced, value), found.end()
    symbol = _SYMBOL.match(text, at)
    if symbol is None:
        raise BadTemplate(f"unexpected {text[at]!r}", at)
    return Token("symbol", symbol[0], at, spaced), symbol.end()


def _quoted(text: str, at: int, spaced: bool) -> tuple[Token, int]:
    found = _STRING.match(text, at)
    if found is None:
        raise BadTemplate("a quoted text never ends", at)
    return Token("constant", found[0], at, spaced, _unquoted(found[1], at)), found.end()


def _character(text: str, at: int, spaced: bool) -> tuple[Token, int]:
    found = _CHAR.match(text, at)
    value = _unquoted(found[1], at) if found else ""
    if found is None or len(value) != 1:
        raise BadTemplate("a character such as 'a' is expected", at)
    return Token("constant", found[0], at, spaced, ord(value)), found.end()


def _unquoted(inner: str, at: int) -> str:
    parts = bytearray()
    done = 0
    while True:
        next_at = inner.find("\\", done)
        if next_at < 0:
            parts += inner[done:].encode("utf-8", "surrogatepass")
            return parts.decode("utf-8", "replace")
        parts += inner[done:next_at].encode("utf-8", "surrogatepass")
        escape = _ESCAPE.match(inner, next_at)
        if escape is None:
            raise BadTemplate("an unknown escape in a quoted text", at)
        byte, short, long, octal, simple = escape.groups()
        if simple:
            parts += _SIMPLE[simple].encode()
        elif byte or octal:
            parts.append((int(byte, 16) if byte else int(octal, 8)) & 0xFF)
        else:
            point = int(short or long, 16)
            parts += (chr(point) if point < 0x110000 else "\ufffd").encode("utf-8", "replace")
        done = escape.end()


def _number(text: str, at: int) -> Value:
    digits = text.lstrip("+-")
    try:
        if digits[:2].lower() in ("0x", "0b", "0o"):
            value: int | float = int(text, 0)
        elif digits.replace("_", "").isdigit():
            octal = len(digits) > 1 and digits[0] == "0"
            value = int(text, 8) if octal else int(text)
        else:
            value = float(text)
    except ValueError:
        raise BadTemplate(f"{text!r} is no number", at) from None
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        raise BadTemplate(f"{text[:40]!r} is too large a number", at)
    return value
