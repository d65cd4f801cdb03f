"""LogQL text to a tree, by recursive descent with a bounded depth.

query    = log | metric
metric   = operands joined by operators, see operators.py
operand  = [ sign ] number | "(" metric ")" | "vector" "(" number ")" | range | group | replace
           | weekly
range    = function "(" [ number "," ] log-range ")" [ grouping ]
group    = function [ grouping ] "(" [ number "," ] metric ")" [ grouping ]
replace  = "label_replace" "(" metric "," string "," string "," string "," string ")"
weekly   = function "(" metric [ "," number ] ")"
"""

from __future__ import annotations

import math

from tailrace.core.errors import QueryError
from tailrace.core.limits import QUERY_TEXT_BYTES
from tailrace.query.logql.ast import (
    Binary,
    LabelReplace,
    LogQuery,
    Metric,
    Number,
    Query,
    Vector,
    VectorAggregation,
    Weekly,
)
from tailrace.query.logql.lexer import Token
from tailrace.query.logql.operators import Operators
from tailrace.query.logql.rangeparser import RANGE_FUNCTIONS, Ranges
from tailrace.query.logql.stages import EMPTY_SELECTOR
from tailrace.query.logql.weeks import Weeks
from tailrace.query.matrix.grouping import Grouping, Matching
from tailrace.query.weeks import FUNCTIONS as WEEKLY
from tailrace.query.weeks import WEEKS

VECTOR_FUNCTIONS = frozenset(
    {"sum", "min", "max", "avg", "count", "stddev", "stdvar", "topk", "bottomk", "approx_topk",
     "sort", "sort_desc"}
)  # fmt: skip
_PARAMETERS = frozenset({"topk", "bottomk", "approx_topk"})
_SORTS = frozenset({"sort", "sort_desc"})
__all__ = ["EMPTY_SELECTOR", "parse", "parse_log", "parse_metric"]


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


def parse_metric(source: str) -> Metric:
    """Like `parse`, for places where only a metric query makes sense."""
    query = parse(source)
    if isinstance(query, LogQuery):
        raise QueryError("expected a metric query such as rate({...}[1m]) at 1:1", 0)
    return query


def is_scalar(query: Metric) -> bool:
    """Whether the value is a number at each step, without labels."""
    if isinstance(query, Binary):
        return is_scalar(query.left) and is_scalar(query.right)
    return isinstance(query, Number)


class _Parser(Ranges, Weeks, Operators[Metric]):
    def query(self) -> Query:
        ahead = self._at
        while self._tokens[ahead].text == "(" and self._tokens[ahead].kind == "symbol":
            ahead += 1
        if self._tokens[ahead].kind == "symbol" and self._tokens[ahead].text == "{":
            return self._log()
        return self.expression()

    def _joined(
        self, op: Token, left: Metric, right: Metric, matching: Matching, returns_bool: bool
    ) -> Binary:
        self._check_sides(op, is_scalar(left) or is_scalar(right), matching)
        return Binary(op.text, left, right, matching, returns_bool, op.position)

    def _operand(self) -> Metric:
        token = self._now
        if token.kind == "number" or self._is("-", "+"):
            return Number(self._number())
        if self._is("("):
            self._enter()
            self._next()
            inner = self.expression()
            self._expect(")", "to close the parenthesis")
            self._leave()
            return inner
        if token.kind != "name":
            raise self._fail(f"expected a query, found {token.shown}")
        self._count(token)
        if token.text == "vector":
            return self._vector()
        if token.text == "label_replace":
            return self._label_replace()
        if token.text in RANGE_FUNCTIONS:
            return self._range()
        if token.text in VECTOR_FUNCTIONS:
            return self._group()
        if token.text in WEEKLY:
            return self._of_weeks()
        raise self._fail(f"unknown function {token.text!r}")

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

    def _vector(self) -> Vector:
        self._next()
        self._expect("(", "after vector")
        value = self._number()
        self._expect(")", "after the number of vector")
        return Vector(value)

    def _label_replace(self) -> LabelReplace:
        start = self._next()
        self._enter()
        self._expect("(", "after label_replace")
        inner = self.expression()
        texts = []
        for what in ("a label to set", "its value", "a label to read"):
            self._expect(",", f"and {what} in label_replace")
            texts.append(self._string(f"for {what}"))
        self._expect(",", "and a regular expression in label_replace")
        pattern = self._regex("for the expression")
        self._expect(")", "to close label_replace")
        self._leave()
        return LabelReplace(inner, texts[0], texts[1], texts[2], pattern, start.position)

    def _of_weeks(self) -> Weekly:
        self._enter()
        start = self._next()
        self._begin_weekly(start)
        self._expect("(", f"after {start.text}")
        inner = self._inner(start.text)
        if is_scalar(inner):
            raise self._fail(f"{start.text} needs a vector, not a number", start)
        weeks, position = float(WEEKS), start.position
        if self._is(","):
            self._next()
            position = self._now.position
            weeks = self._number()
        self._expect(")", f"to close {start.text}")
        self._leave()
        return Weekly(start.text, inner, self._end_weekly(start, weeks, position), start.position)

    def _inner(self, function: str) -> Metric:
        if self._is("{"):
            raise self._fail(f"{function} needs a metric query such as rate({{...}}[1m])")
        return self.expression()

    def _group(self) -> VectorAggregation:
        self._enter()
        start = self._next()
        function = start.text
        grouping = None if function in _SORTS else self._grouping()
        self._expect("(", f"after {function}")
        parameter = None
        if function in _PARAMETERS and not self._is("{"):
            parameter = self._parameter(function)
        inner = self._inner(function)
        self._expect(")", f"to close {function}")
        if grouping is None and function not in _SORTS:
            grouping = self._grouping()
        self._leave()
        none = Grouping(False, ())
        return VectorAggregation(function, grouping or none, inner, parameter, start.position)

    def _parameter(self, function: str) -> float:
        token = self._now
        value = self._number()
        if value != int(value) or value < 1:
            raise self._fail(f"{function} needs a whole number from 1", token)
        self._expect(",", f"after the number of {function}")
        return value
