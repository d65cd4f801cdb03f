"""The log lines of a trace, in time order, each with the span it was written in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tailrace.core import limits
from tailrace.core.errors import QueryError
from tailrace.core.frame import Signal
from tailrace.query.binder import Binder
from tailrace.query.labels import merged, metadata, stream
from tailrace.query.logs.columns import ROW_COLUMNS
from tailrace.query.plan import Statement, of_tenant
from tailrace.query.service import QueryService
from tailrace.query.times import HOUR_NS
from tailrace.query.traces.ids import spellings
from tailrace.query.traces.reading import table_of
from tailrace.query.traces.stored import Span, around

LINES = 1_000
# Clocks of machines differ, and what a trace set off may be logged when it has ended.
REACH_NS = HOUR_NS


async def of_trace(
    service: QueryService, trace_id: str, tenant: str, limit: int, hint: Span | None = None
) -> dict[str, Any] | None:
    """The earliest `limit` lines, or None when there is neither a line nor a span.

    The range of time is that of the trace's spans, an hour more at both ends; without spans
    it is `hint`, else all time. Shape:

        {"traceID": "...", "lines": [{"timestamp": "nanoseconds", "spanID": "...",
         "labels": {...}, "line": "..."}, ...], "warnings": null}
    """
    if not 0 < limit <= limits.QUERY_ROWS:
        raise QueryError(f"limit={limit} is outside 1 to {limits.QUERY_ROWS} (QUERY_ROWS)")
    ids = spellings(trace_id)
    table = await table_of(service, Signal.SPANS, tenant, hint and around(hint))
    spans = await service.run(extent(ids, tenant, table))
    near: Span | None = (spans[0][0], spans[0][1]) if spans else hint
    span_ns = near and (max(near[0] - REACH_NS, 0), near[1] + REACH_NS)
    table = await table_of(service, Signal.LOGS, tenant, span_ns)
    rows = await service.run(statement(ids, tenant, limit + 1, span_ns, table))
    if not rows and not spans:
        return None
    cut = [f"more than {limit} lines: later ones are left out; ask with limit"]
    return {
        "traceID": rows[0][6] if rows else trace_id.lower(),
        "lines": [_line(row) for row in rows[:limit]],
        "warnings": cut if len(rows) > limit else None,
    }


def extent(ids: Sequence[str], tenant: str, table: str) -> Statement:
    """One row `(first, last)` in nanoseconds, or none."""
    bind = Binder()
    sql = (
        "SELECT toUnixTimestamp64Nano(min(Timestamp)), "
        "max(toUnixTimestamp64Nano(Timestamp) + least(Duration, 1000000000000000)) "
        f"FROM {table} WHERE Tenant = {bind.text(tenant)} AND TraceId IN {bind.texts(ids)} "
        "HAVING count() > 0"
    )
    return Statement(sql, bind.values)


def statement(
    ids: Sequence[str], tenant: str, limit: int, span_ns: Span | None, table: str
) -> Statement:
    """Rows of ROW_COLUMNS within `span_ns`, oldest first; of one time, as they came."""
    bind = Binder()
    where = f"{of_tenant(tenant, span_ns, bind)} AND TraceId IN {bind.texts(ids)}"
    sql = (
        f"SELECT {', '.join(ROW_COLUMNS)} FROM {table} WHERE {where} "
        f"ORDER BY Timestamp, _part_offset LIMIT {int(limit)}"
    )
    return Statement(sql, bind.values)


def _line(row: tuple[Any, ...]) -> dict[str, Any]:
    nanoseconds, body, service, host, severity, resource, trace, span, attributes, _ = row
    labels = stream(service, host, severity, resource)
    extra = metadata(severity, trace, span, attributes)
    return {
        "timestamp": str(nanoseconds),
        "spanID": span,
        "labels": merged(labels, extra),
        "line": body,
    }
