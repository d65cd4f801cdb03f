"""Statements about the labels of log rows."""

from __future__ import annotations

from tailrace.query.binder import Binder
from tailrace.query.labels import expression
from tailrace.query.logql.ast import LogQuery, Matcher
from tailrace.query.logs.columns import STREAM_COLUMNS
from tailrace.query.logs.pushdown import conditions
from tailrace.query.plan import Scope, Statement, within


def streams(query: LogQuery, scope: Scope, start_ns: int, end_ns: int, limit: int) -> Statement:
    """Distinct STREAM_COLUMNS of the rows in `[start_ns, end_ns]`."""
    bind = Binder()
    return _distinct(", ".join(STREAM_COLUMNS), query, scope, (start_ns, end_ns), limit, bind)


def label_values(
    label: str, query: LogQuery, scope: Scope, start_ns: int, end_ns: int, limit: int
) -> Statement:
    """Distinct values of one label of the rows in `[start_ns, end_ns]`; may hold ''."""
    bind = Binder()
    value = expression(label, scope.keys, bind)
    return _distinct(value, query, scope, (start_ns, end_ns), limit, bind)


def attribute_keys(scope: Scope, start_ns: int, end_ns: int, service: str, limit: int) -> Statement:
    """Distinct raw keys of resource attributes, of one service where it is not ""."""
    bind = Binder()
    keys = "arrayJoin(mapKeys(ResourceAttributes))"
    query = LogQuery((Matcher("service_name", "=", service),) if service else ())
    times = (start_ns, end_ns)
    return _distinct(keys, query, scope, times, limit, bind)


def _distinct(
    columns: str, query: LogQuery, scope: Scope, times: tuple[int, int], limit: int, bind: Binder
) -> Statement:
    where = conditions(query, scope.tenant, scope.keys, bind)
    where.append(within(*times, bind))
    sql = (
        f"SELECT DISTINCT {columns} FROM {scope.table} WHERE {' AND '.join(where)} "
        f"LIMIT {int(limit)}"
    )
    return Statement(sql, bind.values)
