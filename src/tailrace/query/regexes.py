"""Regexes judged by the engine that will run them, before any row is read."""

from __future__ import annotations

from collections.abc import Sequence

from tailrace.core.errors import QueryError, StoreError
from tailrace.query.binder import Binder
from tailrace.query.engine import BAD_REGEX, Engine
from tailrace.query.logql.ast import Matcher
from tailrace.query.needle import label_regex


async def match_empty(matchers: Sequence[Matcher], engine: Engine) -> bool:
    """Whether labels that are all empty match. Raises QueryError for a pattern RE2 refuses."""
    empty = []
    for matcher in matchers:
        if matcher.op in ("=~", "!~"):
            found = await _matches_empty(label_regex(matcher.value), matcher.position, engine)
            empty.append(found == (matcher.op == "=~"))
        else:
            empty.append(_empty(matcher))
    return all(empty)


def _empty(matcher: Matcher) -> bool:
    return (matcher.value == "") == (matcher.op == "=")


async def _matches_empty(pattern: str, position: int, engine: Engine) -> bool:
    if pattern == label_regex(".+"):
        return False
    bind = Binder()
    try:
        rows = await engine.rows(f"SELECT match('', {bind.text(pattern)})", bind.values)
    except StoreError as error:
        if error.code != BAD_REGEX:
            raise
        message = f"the regular expression at character {position + 1} is not valid RE2"
        raise QueryError(message, position) from None
    return bool(rows[0][0])
