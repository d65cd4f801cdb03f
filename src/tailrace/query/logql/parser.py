"""Tokens to a tree, by recursive descent with a bounded depth.

query    = selector filters | metric
metric   = term { ("+" | "-") term };  term = factor { ("*" | "/") factor }
factor   = [ "-" ] number | "(" metric ")" | vector "(" number ")" | range | group
range    = function "(" selector filters "[" duration "]" [ "offset" duration ] ")"
group    = function [ grouping ] "(" metric ")" [ grouping ]
grouping = ("by" | "without") "(" [ label { "," label } ] ")"
"""

from __future__ import annotations

import math

from tailrace.core.errors import QueryError
from tailrace.core.limits import QUERY_TERMS, QUERY_TEXT_BYTES
from tailrace.query.logql import unsupported
from tailrace.query.logql.ast import (
    Binary,
    LineFilter,
    LogQuery,
    Matcher,
    Metric,
    Needle,
    Number,
    Query,
    RangeAggregation,
    Vector,
    VectorAggregation,
)
from tailrace.query.logql.cursor import Cursor
from tailrace.query.logql.duration import parse_duration
from tailrace.query.logql.lexer import Token, tokens
from tailrace.query.matrix.grouping import Grouping

RANGE_FUNCTIONS = frozenset({"count_over_time", "rate", "bytes_rate", "bytes_over_time"})
VECTOR_FUNCTIONS = frozenset({"sum", "min", "max", "avg", "count"})
MAX_DEPTH = 32
EMPTY_SELECTOR = (
    "the selector needs at least one matcher that cannot match an empty value; "
    "for everything write {service_name=~`.+`},"
)


def parse(source: str) -> Query:
    """The tree of `source`. Raises QueryError, which names line and column."""
    if len(source.encode("utf-8", "replace")) > QUERY_TEXT_BYTES:
        raise QueryError(f"the query is longer than {QUERY_TEXT_BYTES} bytes (QUERY_TEXT_BYTES)", 0)
    parser = _Parser(source)
    query = parser.query()
    parser.finish()
    return query


def parse_log(source: str) -> LogQuery:
    """Like `parse`, for places where only a log query makes sense."""
    query = parse(source)
    if not isinstance(query, LogQuery):
        raise QueryError("expected a log query such as {service_name=~`.+`} at 1:1", 0)
    return query


class _Parser(Cursor):
    def __init__(self, source: str) -> None:
        super().__init__(source, tokens(source))
        self._terms = 0
        self._depth = 0

    def _word(self, *words: str) -> bool:
        return self._now.kind == "name" and self._now.text in words

    def _expect(self, symbol: str, context: str) -> Token:
        if not self._is(symbol):
            raise self._fail(f"expected {symbol} {context}, found {self._now.shown}")
        return self._next()

    def _count(self, token: Token) -> None:
        self._terms += 1
        if self._terms > QUERY_TERMS:
            message = f"more than {QUERY_TERMS} matchers, filters and operators (QUERY_TERMS)"
            raise self._fail(message, token)

    def query(self) -> Query:
        if self._is("{"):
            return self._log()
        return self._sum()

    def finish(self) -> None:
        if self._now.kind != "end":
            unsupported.check(self._now, self._source)
            raise self._fail(f"unexpected {self._now.shown}")

    def _log(self) -> LogQuery:
        matchers = self._selector()
        return LogQuery(matchers, self._filters())

    def _selector(self) -> tuple[Matcher, ...]:
        opening = self._expect("{", "to open a stream selector")
        found: list[Matcher] = []
        while not self._is("}"):
            found.append(self._matcher())
            if not self._is(","):
                break
            self._next()
        self._expect("}", "to close the stream selector")
        if all(_may_be_empty(matcher) for matcher in found):
            raise self._fail(EMPTY_SELECTOR, opening)
        return tuple(found)

    def _matcher(self) -> Matcher:
        name = self._next()
        self._count(name)
        if name.kind != "name":
            raise self._fail(f"expected a label name, found {name.shown}", name)
        if not self._is("=", "!=", "=~", "!~"):
            raise self._fail(f"expected = != =~ or !~ after a label, found {self._now.shown}")
        op = self._next().text
        return Matcher(name.text, op, self._string(f"after {op}"), name.position)

    def _string(self, context: str) -> str:
        if self._now.kind != "string":
            raise self._fail(f"expected a quoted string {context}, found {self._now.shown}")
        return self._next().text

    def _filters(self) -> tuple[LineFilter, ...]:
        found: list[LineFilter] = []
        while self._is("|=", "!=", "|~", "!~"):
            op = self._next()
            self._count(op)
            if self._word("ip"):
                raise self._fail("ip() is not supported yet")
            value = self._string(f"after {op.text}")
            if self._word("or"):
                raise self._fail("`or` between line filters is not supported yet")
            found.append(LineFilter(op.text, (Needle(value),), op.position))
        if self._is("|", "|>", "!>"):
            raise unsupported.stage(self._now, self._tokens[self._at + 1], self._source)
        return tuple(found)

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._fail(f"more than {MAX_DEPTH} levels of parentheses")

    def _sum(self) -> Metric:
        left = self._product()
        while self._is("+", "-"):
            op = self._next()
            self._count(op)
            left = Binary(op.text, left, self._product(), position=op.position)
        return left

    def _product(self) -> Metric:
        left = self._factor()
        while self._is("*", "/"):
            op = self._next()
            self._count(op)
            left = Binary(op.text, left, self._factor(), position=op.position)
        return left

    def _factor(self) -> Metric:
        token = self._now
        if token.kind == "number" or self._is("-", "+"):
            return Number(self._number())
        if self._is("("):
            return self._parenthesised()
        if token.kind != "name":
            raise self._fail(f"expected a query, found {token.shown}")
        self._count(token)
        if token.text == "vector":
            return self._vector()
        if token.text in RANGE_FUNCTIONS:
            return self._range()
        if token.text in VECTOR_FUNCTIONS:
            return self._group()
        raise unsupported.function(token, self._source)

    def _number(self) -> float:
        sign = -1.0 if self._is("-") else 1.0
        if self._is("-", "+"):
            self._next()
        if self._now.kind != "number":
            raise self._fail(f"expected a number, found {self._now.shown}")
        token = self._next()
        value = float(token.text)
        if math.isinf(value):
            raise self._fail("the number is too large", token)
        return sign * value

    def _parenthesised(self) -> Metric:
        self._enter()
        self._next()
        if self._is("{"):
            raise self._fail("a log query in parentheses is not supported yet")
        inner = self._sum()
        self._expect(")", "to close the parenthesis")
        self._depth -= 1
        return inner

    def _vector(self) -> Vector:
        self._next()
        self._expect("(", "after vector")
        value = self._number()
        self._expect(")", "after the number of vector")
        return Vector(value)

    def _range(self) -> RangeAggregation:
        function = self._next().text
        self._expect("(", f"after {function}")
        matchers = self._selector()
        before = self._filters()
        range_ns = self._window()
        filters = before + self._filters()
        offset_ns = self._offset()
        self._expect(")", f"to close {function}")
        if self._word("by", "without"):
            raise self._fail(f"grouping of {function} is not supported yet")
        return RangeAggregation(function, LogQuery(matchers, filters), range_ns, offset_ns)

    def _window(self) -> int:
        self._expect("[", "and a duration after the log query")
        token = self._now
        range_ns = self._duration("after [")
        if range_ns <= 0:
            raise self._fail("the range must be longer than 0", token)
        self._expect("]", "after the duration")
        return range_ns

    def _duration(self, context: str) -> int:
        token = self._now
        if token.kind != "duration":
            raise self._fail(f"expected a duration {context}")
        value = parse_duration(self._next().text)
        if value is None:
            raise self._fail("the duration is longer than ten years", token)
        return value

    def _offset(self) -> int:
        if not self._word("offset"):
            return 0
        self._next()
        sign = -1 if self._is("-") else 1
        if sign < 0:
            self._next()
        return sign * self._duration("after offset")

    def _group(self) -> VectorAggregation:
        self._enter()
        function = self._next().text
        grouping = self._grouping()
        self._expect("(", f"after {function}")
        if self._is("{"):
            raise self._fail(f"{function} needs a metric query such as rate({{...}}[1m])")
        inner = self._sum()
        self._expect(")", f"to close {function}")
        if grouping is None:
            grouping = self._grouping()
        self._depth -= 1
        return VectorAggregation(function, grouping or Grouping(False, ()), inner)

    def _grouping(self) -> Grouping | None:
        if not self._word("by", "without"):
            return None
        word = self._next().text
        self._expect("(", f"after {word}")
        labels: list[str] = []
        while not self._is(")"):
            name = self._next()
            self._count(name)
            if name.kind != "name":
                raise self._fail(f"expected a label name in {word}, found {name.shown}", name)
            labels.append(name.text)
            if not self._is(","):
                break
            self._next()
        self._expect(")", f"to close {word}")
        return Grouping(word == "without", tuple(dict.fromkeys(labels)))


def _may_be_empty(matcher: Matcher) -> bool:
    """Whether an absent label passes; regexes are judged later, by the engine that runs them."""
    if matcher.op == "=":
        return matcher.value == ""
    return matcher.op == "!=" and matcher.value != ""
