"""PromQL text to a tree, by recursive descent with a bounded depth.

expression = operands joined by operators, see logql/operators.py
operand    = "-" operand | primary { range | subquery | "offset" duration | "@" time }
primary    = number | string | "(" expression ")" | selector | call | aggregation
range      = "[" duration "]"
subquery   = "[" duration ":" [ duration ] "]"
time       = number | "start" "(" ")" | "end" "(" ")"
selector   = name [ "{" matchers "}" ] | "{" matchers "}"
matchers   = [ matcher { "," matcher } [ "," ] ]
matcher    = string | label ("=" | "!=" | "=~" | "!~") string
call       = function "(" [ expression { "," expression } ] ")"
aggregation = name [ grouping ] "(" [ expression "," ] expression ")" [ grouping ]

A string alone in braces is the name of the metric. Labels and names in quotes may hold anything.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from tailrace.core.errors import QueryError
from tailrace.query.expressions import matches_empty
from tailrace.query.logql import operators
from tailrace.query.logql.ast import Matcher
from tailrace.query.logql.lexer import Token, place
from tailrace.query.logql.operators import COMPARISONS, Operators
from tailrace.query.logql.weeks import Weeks
from tailrace.query.matrix.grouping import Grouping, Matching
from tailrace.query.promql import kinds
from tailrace.query.promql.ast import (
    NAME,
    Aggregation,
    Binary,
    Call,
    Expression,
    Negative,
    Number,
    Selector,
    Subquery,
    Text,
    Window,
)
from tailrace.query.promql.functions import AGGREGATIONS, FUNCTIONS
from tailrace.query.promql.tokens import MS, PromWords, number_of
from tailrace.query.times import LAST_NS
from tailrace.query.weeks import FUNCTIONS as WEEKLY
from tailrace.query.weeks import WEEKS

PRECEDENCE = {**operators.PRECEDENCE, "atan2": operators.PRECEDENCE["*"]}
_POWER = PRECEDENCE["^"]
# Words that cannot be the name of a metric.
_RESERVED = frozenset({"bool", "on", "ignoring", "group_left", "group_right", "atan2"})
_NUMBERS = {"inf": math.inf, "nan": math.nan}


def parse(source: str) -> Expression:
    """The tree of `source`. Raises QueryError, which names line and column."""
    parser = _Parser(source)
    found = parser.expression()
    parser.finish()
    return found


def parse_selector(source: str) -> Selector:
    """Like `parse`, for places where only a selector makes sense."""
    found = parse(source)
    if not isinstance(found, Selector) or found.offset_ns or found.at is not None:
        raise QueryError(f"expected a selector such as up{{job='a'}} at {place(source, 0)}", 0)
    return found


class _Parser(PromWords, Weeks, Operators[Expression]):
    precedence = PRECEDENCE

    def _matching(self) -> Matching:
        if self._word("group_left", "group_right"):
            raise self._fail(f"{self._now.text} stands after on or ignoring")
        return super()._matching()

    def _many(self, matching: Matching) -> Matching:
        token = self._now
        found = super()._many(matching)
        if found.on and (both := set(found.labels) & set(found.include)):
            raise self._fail(f"the label {min(both)!r} is in on and in {token.text.lower()}", token)
        return found

    def _joined(
        self,
        op: Token,
        left: Expression,
        right: Expression,
        matching: Matching,
        returns_bool: bool,
    ) -> Binary:
        name = op.text.lower()
        for side in (left, right):
            if kinds.kind(side) not in ("scalar", "vector"):
                shown = kinds.SHOWN[kinds.kind(side)]
                raise self._fail(f"{name} joins vectors and numbers, not {shown}", op)
        numbers = [kinds.kind(side) == "scalar" for side in (left, right)]
        self._check_sides(op, any(numbers), matching)
        if all(numbers) and name in COMPARISONS and not returns_bool:
            raise self._fail("a comparison of two numbers needs bool", op)
        return Binary(name, left, right, matching, returns_bool, op.position)

    def _operand(self) -> Expression:
        if self._is("-", "+"):
            sign = self._next()
            self._enter()
            inner = self.expression(_POWER)
            self._leave()
            if kinds.kind(inner) not in ("scalar", "vector"):
                shown = kinds.SHOWN[kinds.kind(inner)]
                raise self._fail(f"{sign.text} is for vectors and numbers, not {shown}", sign)
            if sign.text == "+":
                return inner
            if isinstance(inner, Number):
                return Number(-inner.value, sign.position)
            return Negative(inner, sign.position)
        start = self._now
        found, bare = self._primary()
        return self._modified(found, bare, start)

    def _primary(self) -> tuple[Expression, bool]:
        """An expression, and whether it is a selector without parentheses around it."""
        token = self._now
        if token.kind in ("number", "duration"):
            return Number(number_of(self._next()), token.position), False
        if token.kind == "string":
            return Text(self._next().text, token.position), False
        if self._is("("):
            self._enter()
            self._next()
            inner = self.expression()
            self._expect(")", "to close the parenthesis")
            self._leave()
            return inner, False
        if self._is("{"):
            return self._selector(), True
        if token.kind != "name":
            raise self._fail(f"expected an expression, found {token.shown}")
        return self._named()

    def _named(self) -> tuple[Expression, bool]:
        """What begins with a name."""
        token, following = self._now, self._following
        word = token.text.lower()
        called = following.kind == "symbol" and following.text == "("
        grouped = following.kind == "name" and following.text.lower() in ("by", "without")
        if word in AGGREGATIONS and (called or grouped):
            return self._aggregation(), False
        if called:
            return self._call(), False
        if word in _NUMBERS:
            return Number(_NUMBERS[word], self._next().position), False
        if word in _RESERVED:
            raise self._fail(f"expected an expression, found {token.shown}")
        return self._selector(), True

    def _modified(self, found: Expression, bare: bool, start: Token) -> Expression:
        """With the ranges, offsets and times after it."""
        offset, at = False, False
        while True:
            if self._is("["):
                found = self._range(found, bare, start)
                offset = at = bare = False
            elif self._word("offset"):
                token = self._next()
                found = self._moved(found, token, offset, offset_ns=self._offset())
                offset = True
            elif self._is("@"):
                token = self._next()
                found = self._moved(found, token, at, at=self._time())
                at = True
            else:
                return found

    def _range(self, found: Expression, bare: bool, start: Token) -> Expression:
        token = self._next()
        range_ns = self._duration("after [")
        if self._is(":"):
            self._next()
            step_ns = 0 if self._is("]") else self._duration("after :")
            self._expect("]", "to close the subquery")
            if kinds.kind(found) != "vector":
                shown = kinds.SHOWN[kinds.kind(found)]
                raise self._fail(f"a subquery is of a vector, not of {shown}", token)
            self._count(token)
            return Subquery(found, range_ns, step_ns, position=start.position)
        self._expect("]", "to close the range")
        if not isinstance(found, Selector) or not bare:
            raise self._fail(
                "a range is of a selector; a subquery, [5m:1m], is of any expression", token
            )
        if found.offset_ns or found.at is not None:
            raise self._fail("the range stands before offset and @", token)
        return Window(found, range_ns, start.position)

    def _moved(self, found: Expression, token: Token, again: bool, **how: Any) -> Expression:
        if again:
            raise self._fail(f"{token.text} is there twice", token)
        if isinstance(found, Window):
            return replace(found, selector=replace(found.selector, **how))
        if isinstance(found, Selector | Subquery):
            return replace(found, **how)
        message = f"{token.text} goes with a selector, a range or a subquery"
        raise self._fail(message, token)

    def _offset(self) -> int:
        sign = -1 if self._is("-") else 1
        if self._is("-", "+"):
            self._next()
        if self._now.kind in ("number", "duration") and not number_of(self._now):
            self._next()
            return 0
        return sign * self._duration("after offset")

    def _time(self) -> Any:
        if self._word("start", "end"):
            word = self._next().text.lower()
            self._expect("(", f"after {word}")
            self._expect(")", f"after {word}(")
            return word
        sign = -1 if self._is("-") else 1
        if self._is("-", "+"):
            self._next()
        token = self._now
        if token.kind != "number":
            message = f"expected seconds since 1970, start() or end() after @, found {token.shown}"
            raise self._fail(message)
        seconds = number_of(token)
        if seconds > LAST_NS / 1e9:
            raise self._fail("the time after @ is outside the years 1970 to 2261")
        self._next()
        return sign * round(seconds * 1000) * MS

    def _selector(self) -> Selector:
        matchers: list[Matcher] = []
        start, quoted = self._now, False
        if start.kind == "name":
            self._count(start)
            matchers.append(Matcher(NAME, "=", self._next().text, start.position))
        if self._is("{"):
            self._next()
            quoted = self._matchers(matchers)
        if all(map(_matches_empty, matchers)):
            raise self._fail(
                "the selector needs a name or a matcher that cannot match an empty value", start
            )
        return Selector(tuple(matchers), quoted=quoted, position=start.position)

    def _matchers(self, matchers: list[Matcher]) -> bool:
        """Up to the closing brace; whether a name is in quotes."""
        quoted = False
        while not self._is("}"):
            quoted |= self._now.kind == "string"
            matcher = self._matcher()
            if _names(matcher) and any(map(_names, matchers)):
                message = f"the metric has two names at {place(self._source, matcher.position)}"
                raise QueryError(message, matcher.position)
            matchers.append(matcher)
            if self._word("or"):
                raise self._fail("or between matchers is not supported: join two selectors by or")
            if not self._is("}"):
                self._expect(",", "or } after a matcher")
        self._next()
        return quoted

    def _matcher(self) -> Matcher:
        start = self._now
        label = self._name("in the selector").text
        if start.kind == "string" and self._is(",", "}"):
            return Matcher(NAME, "=", label, start.position)
        if not self._is("=", "!=", "=~", "!~"):
            raise self._fail(f"expected = != =~ or !~ after a label, found {self._now.shown}")
        op = self._next().text
        value = self._string("for the label") if op in ("=", "!=") else self._regex("for the label")
        return Matcher(label, op, value, start.position)

    def _call(self) -> Call:
        start = self._next()
        if start.text not in FUNCTIONS:
            raise self._fail(f"unknown function {start.text!r}", start)
        self._count(start)
        self._enter()
        if start.text in WEEKLY:
            self._begin_weekly(start)
        arguments = self._arguments(start.text)
        self._leave()
        if wrong := kinds.wrong(start.text, arguments):
            raise self._fail(wrong, start)
        if start.text in WEEKLY:
            arguments = self._of_weeks(start, arguments)
        return Call(start.text, tuple(arguments), start.position)

    def _of_weeks(self, start: Token, arguments: list[Expression]) -> list[Expression]:
        """The arguments of a weekly function, in one spelling: without the usual weeks."""
        said = arguments[1] if len(arguments) > 1 else Number(WEEKS, start.position)
        weeks = said.value if isinstance(said, Number) else math.nan
        found = self._end_weekly(start, weeks, said.position)
        return arguments[:1] if found == WEEKS else arguments

    def _arguments(self, name: str) -> list[Expression]:
        self._expect("(", f"after {name}")
        found: list[Expression] = []
        more = not self._is(")")
        while more:
            found.append(self.expression())
            more = self._is(",")
            if more:
                self._next()
        self._expect(")", f"to close {name}")
        return found

    def _aggregation(self) -> Aggregation:
        start = self._next()
        name = start.text.lower()
        self._count(start)
        self._enter()
        grouping = self._grouping()
        arguments = self._arguments(name)
        if grouping is None:
            grouping = self._grouping()
        self._leave()
        parameter = AGGREGATIONS[name]
        if len(arguments) != (1 if parameter is None else 2):
            wanted = "a vector" if parameter is None else f"{kinds.SHOWN[parameter]} and a vector"
            raise self._fail(f"{name} takes {wanted}", start)
        for one, wanted_kind in zip(arguments[::-1], ("vector", parameter), strict=False):
            if kinds.kind(one) != wanted_kind:
                shown = (kinds.SHOWN[wanted_kind or "vector"], kinds.SHOWN[kinds.kind(one)])
                raise self._fail(f"{name} takes {shown[0]}, not {shown[1]}", start)
        if isinstance(arguments[0], Text) and not arguments[0].value:
            raise self._fail(f"{name} takes the name of a label", start)
        return Aggregation(
            name, arguments[-1], grouping or Grouping(False, ()),
            arguments[0] if parameter else None, start.position,
        )  # fmt: skip


def _names(matcher: Matcher) -> bool:
    return (matcher.name, matcher.op) == (NAME, "=")


def _matches_empty(matcher: Matcher) -> bool:
    """Whether a series without the label matches."""
    if matcher.op in ("=", "!="):
        return (matcher.value == "") == (matcher.op == "=")
    return matches_empty(matcher.value) == (matcher.op == "=~")
