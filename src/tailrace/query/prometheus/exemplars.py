"""Exemplars: measurements of the series that a query names, with the traces behind them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tailrace.core import limits
from tailrace.query.binder import Binder
from tailrace.query.numbers import number, unix_seconds
from tailrace.query.plan import Statement, of_tenant
from tailrace.query.promql.ast import Selector
from tailrace.query.promql.samples import Samples
from tailrace.query.promql.series import Found, as_stored
from tailrace.query.promql.seriestable import Span
from tailrace.query.times import HOUR_NS, LAST_NS


async def exemplars(
    samples: Samples, selectors: Sequence[Selector], tenant: str, span: Span
) -> list[dict[str, Any]]:
    """`{"seriesLabels": {...}, "exemplars": [{"labels", "value", "timestamp"}, ...]}` of each
    series that has any in `span`, oldest first; of all of them the newest QUERY_EXEMPLARS.

    Raises what `Samples` raises.
    """
    # An exemplar is older than the sample that brings it, and may be of the hour before.
    seen = (span[0], min(span[1] + HOUR_NS, LAST_NS)) if span else None
    found: dict[int, tuple[Found, bool]] = {}
    async with samples.service.slot("exemplars"):
        for selector in selectors:
            for one in await samples.select(selector, tenant, seen):
                found.setdefault(one.fingerprint, (one, as_stored(selector)))
        if not found:
            return []
        rows = await samples.service.run(
            _statement([one for one, _ in found.values()], tenant, span)
        )
    groups: dict[int, list[dict[str, Any]]] = {}
    for fingerprint, *rest in reversed(rows):
        groups.setdefault(int(fingerprint), []).append(_exemplar(*rest))
    series = {number: dict(one.spelled(stored)) for number, (one, stored) in found.items()}
    return [
        {"seriesLabels": series[fingerprint], "exemplars": group}
        for fingerprint, group in groups.items()
    ]


def _statement(found: Sequence[Found], tenant: str, span: Span) -> Statement:
    """Rows `(fingerprint, nanoseconds, value, trace id, span id, attributes)`, newest first. What a
    client reports until it has another one is one row."""
    bind = Binder()
    where = [
        of_tenant(tenant, span, bind),
        f"MetricName IN {bind.texts(sorted({one.name for one in found}))}",
        f"Fingerprint IN {bind.numbers([one.fingerprint for one in found])}",
    ]
    sql = (
        "SELECT Fingerprint, toUnixTimestamp64Nano(Timestamp), Value, TraceId, SpanId, Attributes "
        f"FROM exemplars WHERE {' AND '.join(where)} ORDER BY Timestamp DESC "
        "LIMIT 1 BY Fingerprint, Timestamp, Value, TraceId, SpanId "
        f"LIMIT {limits.QUERY_EXEMPLARS}"
    )
    return Statement(sql, bind.values)


def _exemplar(
    time_ns: int, value: float, trace_id: str, span_id: str, attributes: dict[str, str]
) -> dict[str, Any]:
    ids = {"trace_id": trace_id, "span_id": span_id}
    labels = {name: text for name, text in ids.items() if text} | attributes
    return {"labels": labels, "value": number(value), "timestamp": unix_seconds(time_ns)}
