"""Operators between expressions, in the grammar that LogQL and PromQL share.

expression = operand { op [ "bool" ] [ matching ] operand }, by precedence: or, and unless,
             == != > >= < <=, + -, * / % (and atan2 in PromQL), ^ (from the right)
matching   = ("on" | "ignoring") labels [ ("group_left" | "group_right") [ labels ] ]
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar, Generic, TypeVar

from tailrace.query.logql.lexer import Token
from tailrace.query.logql.words import Words
from tailrace.query.matrix.grouping import EQUAL_LABELS, Matching

COMPARISONS = frozenset({"==", "!=", ">", ">=", "<", "<="})
SETS = frozenset({"and", "or", "unless"})
PRECEDENCE: Mapping[str, int] = {
    "or": 1, "and": 2, "unless": 2, **dict.fromkeys(COMPARISONS, 3), "+": 4, "-": 4, "*": 5,
    "/": 5, "%": 5, "^": 6,
}  # fmt: skip
T = TypeVar("T")


class Operators(Words, Generic[T]):
    """Reads expressions of one language, whose trees are `T`. Raises QueryError."""

    precedence: ClassVar[Mapping[str, int]] = PRECEDENCE

    @abstractmethod
    def _operand(self) -> T: ...

    @abstractmethod
    def _joined(
        self, op: Token, left: T, right: T, matching: Matching, returns_bool: bool
    ) -> T: ...

    def expression(self, least: int = 1) -> T:
        """Operands joined by operators of at least this precedence."""
        left = self._operand()
        while (binds := self._binds()) >= least:
            op = self._next()
            self._count(op)
            returns_bool = self._bool(op)
            matching = self._matching()
            right = self.expression(binds if op.text == "^" else binds + 1)
            left = self._joined(op, left, right, matching, returns_bool)
        return left

    def _binds(self) -> int:
        if self._now.kind not in ("symbol", "name"):
            return 0
        return self.precedence.get(self._keyword, 0)

    def _bool(self, op: Token) -> bool:
        if not self._word("bool"):
            return False
        if op.text not in COMPARISONS:
            raise self._fail("bool goes with comparisons only")
        self._next()
        return True

    def _matching(self) -> Matching:
        if not self._word("on", "ignoring"):
            return EQUAL_LABELS
        on = self._word("on")
        found = Matching(on, self._names(self._next().text.lower()))
        return self._many(found) if self._word("group_left", "group_right") else found

    def _many(self, matching: Matching) -> Matching:
        """With `group_left` or `group_right`, which is next."""
        word = self._next().text.lower()
        include = self._names(word) if self._is("(") else ()
        return replace(matching, group="left" if word == "group_left" else "right", include=include)

    def _check_sides(self, op: Token, numbers: bool, matching: Matching) -> None:
        """`numbers`: whether a side is one."""
        name = op.text.lower()
        if name in SETS and numbers:
            raise self._fail(f"{name} joins vectors, not numbers", op)
        if name in SETS and matching.group:
            raise self._fail(f"{name} takes no group_left or group_right", op)
        if numbers and matching != EQUAL_LABELS:
            raise self._fail("on, ignoring and group are for two vectors", op)
