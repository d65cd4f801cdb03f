r"""The members of the JSON in a row, by where they stand, without decoding any of it.

Strings that hold JSON themselves are walked too: there every quote has the backslashes of its level
before it (values.py). What is no JSON gives no members, or those before it stops being some.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from tailrace.guard.values import string_end, without_blanks

_DEPTH = 40
_TOKEN = re.compile(rb"(?<!\\)\\*\"|[{}\[\],:]")
_BLANK = re.compile(rb"(?:[\s\x1e]|\\+[nrt])*")


class Member(NamedTuple):
    """`path`: names from the outside in, those of dotted names apart. `start` to `stop` is the
    whole member; its value is at `value_start` to `value_stop`, inside the quotes of a string."""

    path: tuple[bytes, ...]
    start: int
    stop: int
    value_start: int
    value_stop: int
    nested: bool


def members(text: bytes, start: int, stop: int) -> Iterator[Member]:
    """Of all objects in the row, the outer ones after those within them."""
    at = start
    while (at := _opening(text, at, stop)) >= 0:
        walk = _Walk(text, stop, 0)
        yield from walk.value(at, (), 0)
        at = max(walk.at, at + 1)


def _opening(text: bytes, at: int, stop: int) -> int:
    """Where an object or array may begin: a line may have words before it."""
    found = [
        where for where in (text.find(b"{", at, stop), text.find(b"[", at, stop)) if where >= 0
    ]
    return min(found, default=-1)


class _Walk:
    """`at` is how far it came."""

    def __init__(self, text: bytes, stop: int, slashes: int) -> None:
        self._text = text
        self._stop = stop
        self._slashes = slashes
        self.at = 0

    def value(self, at: int, path: tuple[bytes, ...], depth: int) -> Iterator[Member]:
        """The members within the value at `at`; `at` is behind it then, or at the row's end."""
        text = self._text
        at = _blank(text, at, self._stop)
        self.at = at
        first = text[at : at + 1]
        if depth > _DEPTH:
            self.at = self._stop
        elif first == b"{":
            yield from self._object(at + 1, path, depth + 1)
        elif first == b"[":
            yield from self._array(at + 1, path, depth + 1)
        elif opening := self._quote(at):
            end = string_end(text, opening, self._stop, self._slashes)
            self.at = min(end + self._slashes + 1, self._stop)
            if text[opening : opening + 1] in (b"{", b"["):
                inner = _Walk(text, end, 2 * self._slashes + 1)
                yield from inner.value(opening, path, depth + 1)
        else:
            token = _TOKEN.search(text, at, self._stop)
            self.at = token.start() if token else self._stop

    def _object(self, at: int, path: tuple[bytes, ...], depth: int) -> Iterator[Member]:
        text = self._text
        while True:
            at = _blank(text, at, self._stop)
            opening = self._quote(at)
            if not opening:
                self.at = at + 1 if text[at : at + 1] == b"}" else self._stop
                return
            end = string_end(text, opening, self._stop, self._slashes)
            name = text[opening:end]
            colon = _blank(text, end + self._slashes + 1, self._stop)
            if text[colon : colon + 1] != b":":
                self.at = self._stop
                return
            begin = _blank(text, colon + 1, self._stop)
            inner = (*path, *name.split(b"."))
            yield from self.value(begin, inner, depth)
            yield self._member(inner, at, begin)
            at = _blank(text, self.at, self._stop)
            if text[at : at + 1] == b",":
                at += 1

    def _member(self, path: tuple[bytes, ...], start: int, begin: int) -> Member:
        stop = self.at
        if opening := self._quote(begin):
            return Member(path, start, stop, opening, stop - self._slashes - 1, False)
        value = without_blanks(self._text[begin:stop])
        return Member(path, start, stop, begin, begin + len(value), value[:1] in (b"{", b"["))

    def _array(self, at: int, path: tuple[bytes, ...], depth: int) -> Iterator[Member]:
        text = self._text
        while True:
            at = _blank(text, at, self._stop)
            if at >= self._stop or text[at : at + 1] == b"]":
                self.at = min(at + 1, self._stop)
                return
            before = at
            yield from self.value(at, path, depth)
            at = _blank(text, self.at, self._stop)
            if text[at : at + 1] == b",":
                at += 1
            elif at == before:
                self.at = self._stop
                return

    def _quote(self, at: int) -> int:
        """Behind the quote of this level at `at`; 0 when there is none."""
        end = at + self._slashes
        opened = self._text[at : end + 1] == b"\\" * self._slashes + b'"' and end < self._stop
        return end + 1 if opened else 0


def _blank(text: bytes, at: int, stop: int) -> int:
    match = _BLANK.match(text, at, stop)
    return match.end() if match else at
