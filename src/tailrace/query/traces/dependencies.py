"""Which service calls which: spans whose parent belongs to another service, counted."""

from __future__ import annotations

from typing import Any

from tailrace.core import limits
from tailrace.query.binder import Binder
from tailrace.query.plan import Statement, of_tenant
from tailrace.query.traces.names import Run
from tailrace.query.traces.stored import Span


async def of_services(run: Run, tenant: str, span_ns: Span, table: str) -> list[dict[str, Any]]:
    """`{"parent", "child", "callCount"}` of spans of `table` that began within, most calls first.

    Of more than DEPENDENCY_SPANS spans, whole traces are left out by their ids, and the rest
    counts for them.
    """
    spans = (await run(count(tenant, span_ns, table)))[0][0]
    most = limits.DEPENDENCY_LINKS
    every = -(-spans // limits.DEPENDENCY_SPANS)
    rows = await run(links(tenant, span_ns, every, most, table)) if spans else []
    return [
        {"parent": parent, "child": child, "callCount": int(calls)} for parent, child, calls in rows
    ]


def count(tenant: str, span_ns: Span, table: str) -> Statement:
    """One row `(spans,)` that began within."""
    bind = Binder()
    return Statement(
        f"SELECT count() FROM {table} WHERE {of_tenant(tenant, span_ns, bind)}", bind.values
    )


def links(tenant: str, span_ns: Span, every: int, most: int, table: str) -> Statement:
    """Rows `(parent service, child service, calls)`, most calls first.

    A call is a span with a parent in another service; it counts as many times as the span stands
    for. `every`: only one trace of so many is read, chosen by its id, and counts so many times.
    Both sides are matched by a hash of trace and span, which is a fifth of the ids themselves; of
    a span that was sent twice one is the parent. (ANY INNER would keep one call of each parent.)
    """
    bind = Binder()
    where = of_tenant(tenant, span_ns, bind)
    if every > 1:
        where += f" AND cityHash64(TraceId) % {int(every)} = 0"
    sql = (
        f"SELECT above.Service, below.Service, sum(below.Calls) * {int(every)} AS calls FROM ("
        "SELECT cityHash64(TraceId, ParentSpanId) AS Parent, ServiceName AS Service, "
        f"sum(Weight) AS Calls FROM {table} WHERE {where} AND ParentSpanId != '' "
        "GROUP BY Parent, Service) AS below ANY LEFT JOIN ("
        f"SELECT cityHash64(TraceId, SpanId) AS Own, ServiceName AS Service FROM {table} "
        f"WHERE {where}) AS above ON below.Parent = above.Own "
        "WHERE above.Own != 0 AND above.Service != below.Service "
        f"GROUP BY 1, 2 ORDER BY calls DESC, 1, 2 LIMIT {int(most)}"
    )
    return Statement(sql, bind.values)
