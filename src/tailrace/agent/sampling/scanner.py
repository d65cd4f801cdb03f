"""Expressions looked for in many rows at once: by hyperscan where it is installed, else by `re`.

Both give the same answer; hyperscan takes one pass and no backtracking. An expression is compiled
with `^` and `$` at any newline, and must not match empty or beyond the newline that ends a row.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple, Protocol

from tailrace.core import log

_log = log.get("agent")
KIND_BITS = 2


class Expression(NamedTuple):
    """`kind`, of KIND_BITS, is what its matches are reported under.

    `needles`: lower-case text of which every match holds one, for the engine that takes a pass for
    each expression; empty means not known.
    """

    kind: int
    text: bytes
    caseless: bool = False
    needles: Sequence[bytes] = ()


class Scanner(Protocol):
    """Not thread-safe."""

    def scan(self, data: bytes) -> list[int]:
        """`end << KIND_BITS | kind` of matches, ascending, at least one of a kind in every row that
        has one. `end` is exclusive. One number for each: a row may have thousands."""
        ...


def scanner_of(expressions: Sequence[Expression]) -> Scanner:
    """The quicker engine of those that can."""
    if has_hyperscan():
        try:
            return Hyperscan(expressions)
        except ValueError as error:
            _log.warning("patterns are too much for hyperscan, searching with re: %s", error)
    return Searches(expressions)


def has_hyperscan() -> bool:
    return importlib.util.find_spec("hyperscan") is not None


class Hyperscan:
    """One pass for all. Raises ValueError for what it cannot compile."""

    def __init__(self, expressions: Sequence[Expression]) -> None:
        # Imported here: an agent without patterns does without its 4 MB.
        engine: Any = importlib.import_module("hyperscan")
        self._database = engine.Database(mode=engine.HS_MODE_BLOCK)
        flags = [
            engine.HS_FLAG_MULTILINE | (engine.HS_FLAG_CASELESS if expression.caseless else 0)
            for expression in expressions
        ]
        texts = [expression.text for expression in expressions]
        ids = [expression.kind for expression in expressions]
        try:
            self._database.compile(texts, ids=ids, flags=flags)
        except engine.HyperscanError as error:
            raise ValueError(str(error)) from None

    def scan(self, data: bytes) -> list[int]:
        found: list[int] = []

        def note(kind: int, _start: int, end: int, _flags: int, _context: object) -> None:
            found.append(end << KIND_BITS | kind)

        if data:
            self._database.scan(data, note)
        found.sort()  # they come in any order
        return found


class Searches:
    """One pass for each."""

    def __init__(self, expressions: Sequence[Expression]) -> None:
        self._searches: list[tuple[int, re.Pattern[bytes], Sequence[bytes]]] = [
            (
                expression.kind,
                re.compile(
                    expression.text, re.MULTILINE | (re.IGNORECASE if expression.caseless else 0)
                ),
                expression.needles,
            )
            for expression in expressions
        ]

    def scan(self, data: bytes) -> list[int]:
        found: list[int] = []
        lower = data.lower() if any(needles for _, _, needles in self._searches) else b""
        for kind, pattern, needles in self._searches:
            ends = [_near(needle, lower, data, pattern.search) for needle in needles]
            if not needles:
                ends = [_everywhere(data, pattern.search)]
            found += [end << KIND_BITS | kind for end in chain(*ends)]
        found.sort()
        return found


_Search = Callable[[bytes, int, int], re.Match[bytes] | None]


def _everywhere(data: bytes, search: _Search) -> Iterator[int]:
    """Where the first match ends in each row that has one."""
    match = search(data, 0, len(data))
    while match:
        yield match.end()
        match = search(data, _row_end(data, match.end() - 1), len(data))


def _near(needle: bytes, lower: bytes, data: bytes, search: _Search) -> Iterator[int]:
    """The same of rows that hold `needle`."""
    at = lower.find(needle)
    while at >= 0:
        end = _row_end(lower, at)
        match = search(data, lower.rfind(b"\n", 0, at) + 1, end)
        if match:
            yield match.end()
        at = lower.find(needle, end)


def _row_end(data: bytes, at: int) -> int:
    """Behind the newline that ends the row which holds `at`."""
    return data.find(b"\n", at) + 1 or len(data)
