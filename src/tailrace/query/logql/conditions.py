"""Label filters: comparisons with `and`, `or` and parentheses.

condition = one { ( "or" | "and" | "," | ) one }
one       = "(" condition ")" | name op value
value     = string | "ip" "(" string ")" | [ sign ] ( number | duration | bytes )
"""

from __future__ import annotations

import ipaddress

from tailrace.query.logql.ast import AllOf, AnyOf, Comparison, Condition
from tailrace.query.logql.duration import parse_duration
from tailrace.query.logql.lexer import Token
from tailrace.query.logql.sizes import parse_size
from tailrace.query.logql.words import Words

COMPARATORS = ("=", "==", "!=", "=~", "!~", ">", ">=", "<", "<=")
_TEXT = ("=", "!=", "=~", "!~")


class Conditions(Words):
    """Reads label filters. Raises QueryError."""

    def _condition(self) -> Condition:
        """`and` and `or` bind alike, from the left."""
        left = self._one()
        while True:
            if self._word("or"):
                self._count(self._next())
                left = AnyOf(left, self._one())
                continue
            if self._word("and") or self._is(","):
                self._next()
            elif not self._begins_comparison() and not self._is("("):
                return left
            left = AllOf(left, self._one())

    def _begins_comparison(self) -> bool:
        after = self._following
        return self._now.kind == "name" and after.kind == "symbol" and after.text in COMPARATORS

    def _one(self) -> Condition:
        if self._is("("):
            self._enter()
            self._next()
            inner = self._condition()
            self._expect(")", "to close the parenthesis")
            self._leave()
            return inner
        name = self._name("in a label filter")
        if not self._is(*COMPARATORS):
            raise self._fail(
                f"expected = == != =~ !~ > >= < or <= after a label, found {self._now.shown}"
            )
        return self._value(name, self._next())

    def _value(self, name: Token, op: Token) -> Comparison:
        if self._now.kind == "string":
            if op.text not in _TEXT:
                raise self._fail(f"{op.text} needs a number, a duration or a size", self._now)
            read = self._regex if "~" in op.text else self._string
            return Comparison(name.text, op.text, read(f"after {op.text}"), "string", name.position)
        if self._word("ip") and self._following.text == "(":
            if op.text not in ("=", "!="):
                raise self._fail(f"ip() goes with = and !=, not with {op.text}")
            return Comparison(name.text, op.text, self._address(), "ip", name.position)
        if "~" in op.text:
            raise self._fail(f"expected a quoted string after {op.text}, found {self._now.shown}")
        return self._number_of(name, "==" if op.text == "=" else op.text)

    def _number_of(self, name: Token, op: str) -> Comparison:
        sign = -1.0 if self._is("-") else 1.0
        if self._is("-", "+"):
            self._next()
        token = self._now
        if token.kind == "number":
            value = sign * float(self._next().text)
            return Comparison(name.text, op, value, "number", name.position)
        if token.kind == "duration" and (nanoseconds := parse_duration(token.text)) is not None:
            self._next()
            return Comparison(name.text, op, sign * nanoseconds, "duration", name.position)
        if token.kind == "bytes" and (size := parse_size(token.text)) is not None:
            self._next()
            return Comparison(name.text, op, sign * size, "bytes", name.position)
        raise self._fail(
            f"expected a quoted string, a number, a duration, a size or ip(), found {token.shown}"
        )

    def _address(self) -> str:
        """`ip("...")`: an address, a prefix or a range of addresses."""
        self._next()
        self._expect("(", "after ip")
        token = self._now
        text = self._string("in ip()")
        if not _is_address(text):
            raise self._fail(f"{text!r} is no address, prefix or range of addresses", token)
        self._expect(")", "to close ip")
        return text


def _is_address(text: str) -> bool:
    try:
        if "/" in text:
            ipaddress.ip_network(text, strict=False)
            return True
        first, dash, last = text.partition("-")
        low = ipaddress.ip_address(first.strip())
        if not dash:
            return True
        high = ipaddress.ip_address(last.strip())
    except ValueError:
        return False
    return low.version == high.version and int(low) <= int(high)
