"""Traces that have a span which is as asked: their ids, newest first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tailrace.query.binder import Binder
from tailrace.query.plan import Statement, of_tenant
from tailrace.query.traces import tags


@dataclass(frozen=True)
class Search:
    """One span must meet all of it. Times and durations in nanoseconds, both ends included; a
    bound of None is no bound, an `operation` of "" any."""

    service: str
    start_ns: int
    end_ns: int
    limit: int
    operation: str = ""
    shortest_ns: int | None = None
    longest_ns: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


def statement(search: Search, tenant: str, table: str) -> Statement:
    """Rows `(trace id, start of its newest matching span in nanoseconds)`, newest first, from
    `table`.

    The order is the hot table's own within a service, so that reading ends with the last trace that
    is wanted.
    """
    bind = Binder()
    where = [
        of_tenant(tenant, (search.start_ns, search.end_ns), bind),
        f"ServiceName = {bind.text(search.service)}",
    ]
    if search.operation:
        where.append(f"SpanName = {bind.text(search.operation)}")
    if search.shortest_ns is not None:
        where.append(f"Duration >= {bind.integer(search.shortest_ns)}")
    if search.longest_ns is not None:
        where.append(f"Duration <= {bind.integer(search.longest_ns)}")
    where += tags.conditions(search.tags, bind)
    sql = (
        f"SELECT TraceId, toUnixTimestamp64Nano(Timestamp) FROM {table} "
        f"WHERE {' AND '.join(where)} "
        f"ORDER BY Timestamp DESC LIMIT 1 BY TraceId LIMIT {int(search.limit)}"
    )
    return Statement(sql, bind.values)
