"""What every part of the grammar reads: words, symbols, strings, labels."""

from __future__ import annotations

from tailrace.core.limits import QUERY_TERMS
from tailrace.query.expressions import compiled
from tailrace.query.logql.cursor import Cursor
from tailrace.query.logql.lexer import Token, tokens
from tailrace.query.matrix.grouping import Grouping

MAX_DEPTH = 32


class Words(Cursor):
    """A cursor that counts terms and depth. Raises QueryError."""

    def __init__(self, source: str) -> None:
        super().__init__(source, tokens(source))
        self._terms = 0
        self._depth = 0

    @property
    def _keyword(self) -> str:
        """The token as the language spells its words."""
        return self._now.text

    def _word(self, *words: str) -> bool:
        return self._now.kind == "name" and self._keyword in words

    def _expect(self, symbol: str, context: str) -> Token:
        if not self._is(symbol):
            raise self._fail(f"expected {symbol} {context}, found {self._now.shown}")
        return self._next()

    def _count(self, token: Token) -> None:
        self._terms += 1
        if self._terms > QUERY_TERMS:
            message = f"more than {QUERY_TERMS} matchers, filters and operators (QUERY_TERMS)"
            raise self._fail(message, token)

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._fail(f"more than {MAX_DEPTH} levels of parentheses")

    def _leave(self) -> None:
        self._depth -= 1

    def _string(self, context: str) -> str:
        if self._now.kind != "string":
            raise self._fail(f"expected a quoted string {context}, found {self._now.shown}")
        return self._next().text

    def _name(self, context: str) -> Token:
        if self._now.kind != "name":
            raise self._fail(f"expected a label name {context}, found {self._now.shown}")
        self._count(self._now)
        return self._next()

    def _regex(self, context: str) -> str:
        """A string that is a regular expression of RE2."""
        token = self._now
        pattern = self._string(context)
        try:
            compiled(pattern)
        except ValueError as error:
            raise self._fail(f"not a regular expression of RE2: {error}", token) from None
        return pattern

    def _names(self, word: str) -> tuple[str, ...]:
        """Label names in parentheses."""
        self._expect("(", f"after {word}")
        labels: list[str] = []
        while not self._is(")"):
            labels.append(self._name(f"in {word}").text)
            if not self._is(","):
                break
            self._next()
        self._expect(")", f"to close {word}")
        return tuple(dict.fromkeys(labels))

    def _grouping(self) -> Grouping | None:
        if not self._word("by", "without"):
            return None
        word = self._next().text.lower()
        return Grouping(word == "without", self._names(word))
