"""The small part of PromQL that is answered: text to a `Query`, by recursive descent.

query    = number { "+" number } | group | series
group    = ("sum" | "avg" | "min" | "max" | "count") [ by ] "(" series ")" [ by ]
by       = "by" "(" [ label { "," label } ] ")"
series   = ("rate" | "increase") "(" selector "[" duration "]" ")" | selector
selector = name [ "{" matchers "}" ] | "{" matchers "}"
matchers = [ matcher { "," matcher } [ "," ] ]
matcher  = string | label ("=" | "!=" | "=~" | "!~") string
label    = name | string

A string alone in braces is the name of the metric. Labels and names in quotes may hold anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tailrace.core.errors import QueryError
from tailrace.core.limits import QUERY_TERMS, QUERY_TEXT_BYTES
from tailrace.query.logql.ast import Matcher
from tailrace.query.logql.cursor import Cursor
from tailrace.query.logql.duration import parse_duration
from tailrace.query.logql.lexer import Kind, Token, place, scanned

NAME = "__name__"
LOOKBACK_MS = 300_000
FUNCTIONS = ("rate", "increase")
AGGREGATIONS = ("sum", "avg", "min", "max", "count")
SUPPORTED = (
    "supported are selectors, rate and increase of a selector with a range such as [5m], and one "
    "sum, avg, min, max or count by (labels) around either"
)
_SKIP = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_DURATION = re.compile(r"(?:[0-9]+(?:ms|[smhdwy]))+(?![A-Za-z0-9_.])")
_NUMBER = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![A-Za-z0-9_.:])")
_NAME = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")
_SYMBOL = re.compile(r"!=|!~|=~|==|>=|<=|[{}()\[\],=+\-*/%^<>@:]")
_KINDS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("duration", _DURATION),
    ("number", _NUMBER),
    ("name", _NAME),
    ("symbol", _SYMBOL),
)


@dataclass(frozen=True)
class Query:
    """`aggregation by (by) (function(matchers[range]))`; without a function the last sample of
    the lookback. `quoted`: a name is in quotes, so answers spell names as they are stored.
    """

    matchers: tuple[Matcher, ...]
    function: str = ""
    range_ms: int = LOOKBACK_MS
    aggregation: str = ""
    by: tuple[str, ...] = ()
    quoted: bool = False


def parse(source: str) -> Query | float:
    """A query, or the value of a sum of numbers. Raises QueryError, which names line and column."""
    parser = _Parser(source)
    found = parser.query()
    parser.finish()
    return found


def parse_selector(source: str) -> Query:
    """Like `parse`, for places where only a selector makes sense."""
    parser = _Parser(source)
    found = parser.selector()
    parser.finish()
    return found


def _tokens(source: str) -> list[Token]:
    if len(source.encode("utf-8", "replace")) > QUERY_TEXT_BYTES:
        raise QueryError(f"the query is longer than {QUERY_TEXT_BYTES} bytes (QUERY_TEXT_BYTES)", 0)
    return scanned(source, _SKIP, _KINDS, "\"'")


def _names(matcher: Matcher) -> bool:
    return (matcher.name, matcher.op) == (NAME, "=")


class _Parser(Cursor):
    def __init__(self, source: str) -> None:
        super().__init__(source, _tokens(source))
        self._quoted = False

    def _calls(self, names: tuple[str, ...], *after: str) -> bool:
        """One of these names, which something else than its labels follows."""
        named = self._now.kind == "name" and self._now.text in names
        return named and self._following.text in after

    def _expect(self, symbol: str) -> Token:
        if not self._is(symbol):
            raise self._fail(f"expected {symbol!r}, found {self._now.shown}; {SUPPORTED};")
        return self._next()

    def finish(self) -> None:
        if self._now.kind != "end":
            raise self._fail(f"{self._now.shown} is not supported here; {SUPPORTED};")

    def query(self) -> Query | float:
        if self._now.kind == "number":
            return self._sum()
        if self._calls(AGGREGATIONS, "(", "by", "without"):
            return self._group()
        return self._series()

    def _sum(self) -> float:
        """Of numbers: Grafana asks `1+1` to see whether anybody answers."""
        total = self._number()
        while self._is("+"):
            self._next()
            total += self._number()
        return total

    def _number(self) -> float:
        if self._now.kind != "number":
            raise self._fail(f"expected a number, found {self._now.shown}")
        return float(self._next().text)

    def _group(self) -> Query:
        aggregation = self._next().text
        by = self._by()
        self._expect("(")
        inner = self._series()
        self._expect(")")
        by = by if by is not None else self._by()
        return Query(
            inner.matchers, inner.function, inner.range_ms, aggregation, by or (), self._quoted
        )

    def _by(self) -> tuple[str, ...] | None:
        if self._now.kind != "name":
            return None
        if self._now.text != "by":
            raise self._fail(f"{self._now.shown} is not supported here; {SUPPORTED};")
        self._next()
        self._expect("(")
        labels: list[str] = []
        while not self._is(")"):
            labels.append(self._label())
            if not self._is(")"):
                self._expect(",")
            self._count(labels)
        self._next()
        return tuple(dict.fromkeys(labels))

    def _series(self) -> Query:
        if not self._calls(FUNCTIONS, "("):
            return self.selector()
        function = self._next().text
        self._next()
        inner = self.selector()
        self._expect("[")
        range_ms = self._range()
        self._expect("]")
        self._expect(")")
        return Query(inner.matchers, function, range_ms, quoted=self._quoted)

    def _range(self) -> int:
        nanoseconds = parse_duration(self._now.text) if self._now.kind == "duration" else None
        if not nanoseconds:
            raise self._fail(f"expected a duration above 0 such as 5m, found {self._now.shown}")
        self._next()
        return nanoseconds // 1_000_000

    def selector(self) -> Query:
        """One selector."""
        matchers: list[Matcher] = []
        start = self._now
        if start.kind == "name":
            matchers.append(Matcher(NAME, "=", self._next().text, start.position))
        if self._is("("):
            raise self._fail(f"{start.text} is no function here; {SUPPORTED};", start)
        if not matchers or self._is("{"):
            self._expect("{")
            self._matchers(matchers)
        if not matchers:
            raise self._fail("the selector needs a name or a label", start)
        return Query(tuple(matchers), quoted=self._quoted)

    def _matchers(self, matchers: list[Matcher]) -> None:
        """Up to the closing brace."""
        while not self._is("}"):
            matcher = self._matcher()
            if _names(matcher) and any(map(_names, matchers)):
                message = f"the metric has two names at {place(self._source, matcher.position)}"
                raise QueryError(message, matcher.position)
            matchers.append(matcher)
            self._count(matchers)
            if not self._is("}"):
                self._expect(",")
        self._next()

    def _matcher(self) -> Matcher:
        start = self._now
        label = self._label()
        if start.kind == "string" and self._is(",", "}"):
            return Matcher(NAME, "=", label, start.position)
        if not self._is("=", "!=", "=~", "!~"):
            raise self._fail(f"expected = != =~ or !~ after a label, found {self._now.shown}")
        op = self._next().text
        if self._now.kind != "string":
            raise self._fail(f"expected a value in quotes, found {self._now.shown}")
        return Matcher(label, op, self._next().text, start.position)

    def _label(self) -> str:
        colon = self._now.kind == "name" and ":" in self._now.text
        if colon or self._now.kind not in ("name", "string"):
            raise self._fail(f"expected a label, found {self._now.shown}")
        self._quoted |= self._now.kind == "string"
        return self._next().text

    def _count(self, terms: list[Matcher] | list[str]) -> None:
        if len(terms) > QUERY_TERMS:
            raise self._fail(f"more than {QUERY_TERMS} matchers or labels (QUERY_TERMS)")
