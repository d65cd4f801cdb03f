"""A place among tokens: what parsers by recursive descent share."""

from __future__ import annotations

from collections.abc import Sequence

from tailrace.core.errors import QueryError
from tailrace.query.logql.lexer import Token, place


class Cursor:
    """`tokens` of `source`, the last of kind "end"."""

    def __init__(self, source: str, tokens: Sequence[Token]) -> None:
        self._source = source
        self._tokens = tokens
        self._at = 0

    @property
    def _now(self) -> Token:
        return self._tokens[self._at]

    @property
    def _following(self) -> Token:
        return self._tokens[min(self._at + 1, len(self._tokens) - 1)]

    def _next(self) -> Token:
        token = self._now
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def finish(self) -> None:
        """Raises QueryError unless all is read."""
        if self._now.kind != "end":
            raise self._fail(f"unexpected {self._now.shown}")

    def _is(self, *symbols: str) -> bool:
        return self._now.kind == "symbol" and self._now.text in symbols

    def _fail(self, message: str, token: Token | None = None) -> QueryError:
        position = (token or self._now).position
        return QueryError(f"{message} at {place(self._source, position)}", position)
