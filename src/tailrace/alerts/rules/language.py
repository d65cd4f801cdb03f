"""Which language an expression is in, and whether it can be a rule's.

docs/rules.md has the decision as a person needs it. What parses as PromQL is PromQL, except where
it also is a LogQL metric query and no selector names a metric: `rate({app="a"}[1m])` is a rate of
lines to Loki, and of every metric of an application to Prometheus, which nobody asks for. Who knows
where a text came from says what such ones are.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

from tailrace.alerts.rule import Language
from tailrace.core.errors import QueryError
from tailrace.query.logql import parser as logql
from tailrace.query.logql.ast import LogQuery
from tailrace.query.pipeline.pipeline import Pipeline
from tailrace.query.promql import kinds
from tailrace.query.promql import parser as promql
from tailrace.query.promql.ast import NAME, Expression, selectors
from tailrace.query.tail.selector import Selector

_SQL = re.compile(r"\s*(?:select|with)\s", re.IGNORECASE)
_PLACE = re.compile(r",? at ([0-9]+):([0-9]+)$")


def check(expr: str, language: Language) -> None:
    """Raises QueryError when `expr` is no expression of a rule in that language."""
    _CHECKS[language](expr)


def check_stream(expr: str) -> None:
    """Raises QueryError when `expr` is no query of lines that can be watched as they come."""
    if not isinstance(found := logql.parse(expr), LogQuery):
        raise _NotOfRules('a stream is of lines, such as {...} |= "panic"; numbers go to expr', 0)
    Pipeline(found.stages)
    Selector(found.matchers)


def language_of(expr: str, default: Language | None = None) -> Language:
    """The language of `expr`; `default` is for what is PromQL as well as LogQL. Raises QueryError
    when it is none, in the words of the language that it is most like."""
    wrong = {language: _wrong(expr, language) for language in ("promql", "logql")}
    if wrong["promql"] is None:
        if wrong["logql"] is not None:
            return "promql"
        if default in ("promql", "logql"):
            return default
        return "logql" if _is_of_lines(promql.parse(expr)) else "promql"
    if wrong["logql"] is None:
        return "logql"
    if default == "sql" or _SQL.match(expr):
        check(expr, "sql")
        return "sql"
    raise _nearer(wrong["promql"], wrong["logql"], default)


def located(error: QueryError, expr: str) -> tuple[int, str]:
    """Where in `expr` an error is, 0 when it does not say, and its words without the place."""
    message = str(error)
    found = _PLACE.search(message)
    words = message[: found.start()] if found else message
    if error.position >= 0:
        return min(error.position, len(expr)), words
    if found is None:
        return 0, words
    line, column = int(found[1]), int(found[2])
    lines = expr.split("\n")
    before = sum(len(one) + 1 for one in lines[: line - 1])
    return min(before + column - 1, len(expr)), words


def _nearer(promql: QueryError, logql: QueryError, default: Language | None) -> QueryError:
    """Of two refusals the one in the language that the text is most likely meant in."""
    if default:
        return logql if default == "logql" else promql
    return logql if _reach(logql) > _reach(promql) else promql


def _reach(error: QueryError) -> float:
    """How far a parser came."""
    return math.inf if isinstance(error, _NotOfRules) else error.position


class _NotOfRules(QueryError):
    """It can be parsed, and gives nothing that a rule is of."""


def _wrong(expr: str, language: Language) -> QueryError | None:
    try:
        check(expr, language)
    except QueryError as error:
        return error
    return None


def _is_of_lines(tree: Expression) -> bool:
    """Whether it selects, and no selector says which metric."""
    found = selectors(tree)
    named = any(matcher.name == NAME for one in found for matcher in one.matchers)
    return bool(found) and not named


def _promql(expr: str) -> None:
    found = kinds.kind(promql.parse(expr))
    if found not in ("scalar", "vector"):
        raise _NotOfRules(f"a rule needs a vector or a number, not {kinds.SHOWN[found]}", 0)


def _logql(expr: str) -> None:
    if isinstance(logql.parse(expr), LogQuery):
        raise _NotOfRules("a rule needs numbers, such as rate({...}[1m]), not lines", 0)


def _sql(expr: str) -> None:
    # Half a second of imports, for the few who write SQL.
    from tailrace.query.sql import checker, parser, rewrite
    from tailrace.query.sql.views import Extent

    tree = parser.parse(expr)
    checker.check(tree)
    # Printed, too: some texts stand where the engine takes no parameter.
    rewrite.statement(tree, Extent("", 0, 1, now_ns=0))


_CHECKS: Mapping[Language, Callable[[str], None]] = {
    "promql": _promql,
    "logql": _logql,
    "sql": _sql,
}
