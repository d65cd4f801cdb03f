"""The parts of LogQL that are known and refused by name, so that an error never puzzles."""

from __future__ import annotations

from tailrace.core.errors import QueryError
from tailrace.query.logql.lexer import Token, place

_FUNCTIONS = frozenset(
    {
        "absent_over_time",
        "approx_topk",
        "avg_over_time",
        "bottomk",
        "first_over_time",
        "label_join",
        "label_replace",
        "last_over_time",
        "max_over_time",
        "min_over_time",
        "quantile_over_time",
        "rate_counter",
        "sort",
        "sort_desc",
        "stddev",
        "stddev_over_time",
        "stdvar",
        "stdvar_over_time",
        "sum_over_time",
        "topk",
        "variants",
    }
)
_OPERATORS = frozenset({"%", "^", "==", "!=", ">", ">=", "<", "<=", "@"})
_WORDS = frozenset(
    {"and", "or", "unless", "on", "ignoring", "group_left", "group_right", "bool", "offset"}
)


def function(token: Token, source: str) -> QueryError:
    """The error for a function name that is not spoken."""
    if token.text in _FUNCTIONS:
        return _refuse(token.text, token, source)
    message = f"unknown function {token.text!r} at {place(source, token.position)}"
    return QueryError(message, token.position)


def stage(symbol: Token, after: Token, source: str) -> QueryError:
    """The error for a pipeline stage."""
    if symbol.text != "|":
        return _refuse(f"the pattern filter {symbol.text}", symbol, source)
    what = f"the stage | {after.text}" if after.kind == "name" else "a pipeline stage"
    return _refuse(what, symbol, source)


def check(token: Token, source: str) -> None:
    """Raise the error for a known operator or word found where a query should end."""
    if token.text in _OPERATORS or (token.kind == "name" and token.text in _WORDS):
        raise _refuse(f"the operator {token.text}", token, source)


def _refuse(what: str, token: Token, source: str) -> QueryError:
    message = f"{what} is not supported yet at {place(source, token.position)}"
    return QueryError(message, token.position)
