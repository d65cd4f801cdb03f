"""The WHERE of a log query: tenant, matchers and line filters; time is added by the plan."""

from __future__ import annotations

from collections.abc import Iterable

from tailrace.query.binder import Binder
from tailrace.query.labels import expression
from tailrace.query.logql.ast import LineFilter, LogQuery, Matcher
from tailrace.query.needle import label_regex, predicate


def conditions(query: LogQuery, tenant: str, keys: Iterable[str], bind: Binder) -> list[str]:
    """SQL conditions, all of which must hold. The tenant always comes first."""
    keys = tuple(keys)
    found = [f"Tenant = {bind.text(tenant)}"]
    found += [_matcher(matcher, keys, bind) for matcher in query.matchers]
    found += [predicate(line, bind) for line in query.stages if isinstance(line, LineFilter)]
    return found


def _matcher(matcher: Matcher, keys: tuple[str, ...], bind: Binder) -> str:
    value = expression(matcher.name, keys, bind)
    if matcher.op in ("=", "!="):
        return f"{value} {matcher.op} {bind.text(matcher.value)}"
    if matcher.value in (".+", "(?s).+"):
        return f"{value} {'!=' if matcher.op == '=~' else '='} ''"
    found = f"match({value}, {bind.text(label_regex(matcher.value))})"
    return found if matcher.op == "=~" else f"NOT {found}"
