"""Spans as they are read from the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tailrace.core import limits
from tailrace.query.binder import Binder
from tailrace.query.plan import Statement, of_tenant

# A trace is looked for within a day of the time that is known of it: a day is a partition, so
# this is three at most.
REACH_NS = 86_400_000_000_000
# From and to, UTC nanoseconds.
Span = tuple[int, int]


class StoredSpan(NamedTuple):
    """A row of `by_id`; times in nanoseconds."""

    time_ns: int
    duration_ns: int
    trace_id: str
    span_id: str
    parent_span_id: str
    trace_state: str
    name: str
    kind: str
    service: str
    resource: Mapping[str, str]
    scope_name: str
    scope_version: str
    attributes: Mapping[str, str]
    status: str
    status_message: str
    event_times_ns: Sequence[int]
    event_names: Sequence[str]
    event_attributes: Sequence[Mapping[str, str]]
    link_trace_ids: Sequence[str]
    link_span_ids: Sequence[str]


_COLUMNS = (
    "toUnixTimestamp64Nano(Timestamp)",
    "Duration",
    "TraceId",
    "SpanId",
    "ParentSpanId",
    "TraceState",
    "SpanName",
    "SpanKind",
    "ServiceName",
    "ResourceAttributes",
    "ScopeName",
    "ScopeVersion",
    "SpanAttributes",
    "StatusCode",
    "StatusMessage",
    "arrayMap(t -> toUnixTimestamp64Nano(t), Events.Timestamp)",
    "Events.Name",
    "Events.Attributes",
    "Links.TraceId",
    "Links.SpanId",
)


def around(span_ns: Span) -> Span:
    """What is read for traces of which something happened within."""
    return max(span_ns[0] - REACH_NS, 0), span_ns[1] + REACH_NS


def by_id(
    ids: Sequence[str],
    tenant: str,
    most: int,
    total: int,
    span_ns: Span | None,
    table: str,
) -> Statement:
    """Rows of `StoredSpan` from `table`: the traces in the order of `ids`, each in time order, at
    most `most` spans of one and `total` of all. A span that was sent twice is one row.

    `span_ns`: when something of the traces happened, from and to; nothing more than a day away
    from it is read.
    """
    bind = Binder()
    known = bind.texts(ids)
    where = f"{of_tenant(tenant, span_ns and around(span_ns), bind)} AND TraceId IN {known}"
    order = f"indexOf({known}, TraceId), Timestamp, SpanId"
    sql = (
        f"SELECT * FROM (SELECT {', '.join(_COLUMNS)} FROM {table} "
        f"WHERE {where} ORDER BY {order} "
        "LIMIT 1 BY TraceId, Timestamp, SpanId, SpanKind, SpanName, Duration) "
        f"LIMIT {int(most)} BY TraceId LIMIT {int(total)} "
        f"SETTINGS max_result_bytes={limits.TRACE_BYTES}"
    )
    return Statement(sql, bind.values)
