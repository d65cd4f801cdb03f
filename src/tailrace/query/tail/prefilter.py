"""What the engine leaves out while it decodes: rows that nobody who follows can want.

Of each query the matchers of built-in labels and the first line filters, which SQL says exactly;
the rest is for Python. A row that passes may still be unwanted, one that does not never is wanted.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from tailrace.query.binder import Binder
from tailrace.query.labels import is_built_in
from tailrace.query.logql.ast import LogQuery
from tailrace.query.logs.filters import is_exact
from tailrace.query.logs.pushdown import conditions
from tailrace.query.tail.group import Group

EVERYTHING = "1"
# Beyond so many of one tenant, asking each row for all of them costs more than it spares.
MOST_QUERIES = 16


def may_pass(groups: Iterable[Group], bind: Binder, most: int = MOST_QUERIES) -> str:
    """A condition on the columns of logs that holds for each row that any of these may want; up to
    `most` queries of one tenant are in it."""
    by_tenant: dict[str, list[LogQuery]] = {}
    for group in groups:
        by_tenant.setdefault(group.tenant, []).append(group.query)
    found = [
        condition
        for tenant, queries in by_tenant.items()
        for condition in _of_tenant(tenant, queries, bind, most)
    ]
    return f"({' OR '.join(found)})" if found else EVERYTHING


def _of_tenant(tenant: str, queries: list[LogQuery], bind: Binder, most: int) -> list[str]:
    if len(queries) > most:
        return [f"Tenant = {bind.text(tenant)}"]
    return [f"({' AND '.join(conditions(said(one), tenant, (), bind))})" for one in queries]


def said(query: LogQuery) -> LogQuery:
    """The part of a query that needs no other labels than the built-in ones."""
    matchers = tuple(one for one in query.matchers if is_built_in(one.name))
    return LogQuery(matchers, tuple(itertools.takewhile(is_exact, query.stages)))
