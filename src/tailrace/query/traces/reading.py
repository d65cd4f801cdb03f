"""Traces read whole from the store, within bounds."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from tailrace.core import limits
from tailrace.core.errors import QueryError, StoreError
from tailrace.core.frame import Signal
from tailrace.query.bounds.question import asked
from tailrace.query.engine import TOO_LARGE
from tailrace.query.service import QueryService
from tailrace.query.times import LAST_NS
from tailrace.query.traces import search, shape, stored
from tailrace.query.traces.ids import spellings
from tailrace.query.traces.search import Search
from tailrace.query.traces.stored import Span, StoredSpan
from tailrace.store.schema import HOT_TABLES

Trace = dict[str, Any]


async def by_ids(
    service: QueryService, wanted: Sequence[str], tenant: str, hint: Span | None = None
) -> dict[str, Trace]:
    """Those of the traces that have a span, by the id as it was asked for.

    They are looked for near `hint` first, and where nothing is there, in all of the hot table: the
    archive is read only near a time. Raises QueryError for what is no id, and where it is too much.
    """
    spelled = {trace_id: spellings(trace_id) for trace_id in wanted}
    ids = sorted({one for some in spelled.values() for one in some})
    read = await _read(service, ids, tenant, hint)
    if not asked().exact:
        if not read and hint is not None:
            read, hint = await _read(service, ids, tenant, None), None
        if read and hint is None:
            read = await _completed(service, ids, tenant, read)
    if len(wanted) > 1 and sum(map(len, read)) > limits.SEARCH_SPANS:
        raise QueryError(f"the traces have more than {limits.SEARCH_SPANS} spans (SEARCH_SPANS)")
    by_stored = {spans[0].trace_id: spans for spans in read}
    found = {}
    for trace_id, some in spelled.items():
        spans = [span for one in some for span in by_stored.get(one, ())]
        if spans:
            found[trace_id] = _shaped(sorted(spans, key=lambda span: span.time_ns))
    return found


async def _completed(
    service: QueryService, ids: Sequence[str], tenant: str, read: list[list[StoredSpan]]
) -> list[list[StoredSpan]]:
    """Traces of the hot table, with the spans of them that may be in the archive alone."""
    times = [span.time_ns for spans in read for span in spans]
    near = (min(times), max(times))
    if (
        await table_of(service, Signal.SPANS, tenant, stored.around(near))
        == HOT_TABLES[Signal.SPANS]
    ):
        return read
    return await _read(service, ids, tenant, near)


async def table_of(service: QueryService, signal: Signal, tenant: str, span_ns: Span | None) -> str:
    """What stands after FROM for a range of time; without one it is the hot table, unless the
    archive alone is asked."""
    if span_ns is None and not asked().exact:
        return HOT_TABLES[signal]
    span_ns = span_ns or (0, LAST_NS)
    return (await service.source(signal, tenant, *span_ns)).table


async def by_search(service: QueryService, wanted: Search, tenant: str) -> list[Trace]:
    """The traces, newest first. The last one says so when more were left out for their size."""
    span_ns = (wanted.start_ns, wanted.end_ns)
    table = await table_of(service, Signal.SPANS, tenant, span_ns)
    rows = await service.run(search.statement(wanted, tenant, table))
    if not rows:
        return []
    ids = [row[0] for row in rows]
    times = [row[1] for row in rows]
    near = (min(times), max(times))
    while True:
        try:
            found = await _read(service, ids, tenant, near)
            break
        except _TooLarge:
            if len(ids) == 1:
                raise
            ids = ids[: len(ids) // 2]
    if sum(map(len, found)) > limits.SEARCH_SPANS:
        found.pop()  # cut, to fit among the others
    traces = [_shaped(spans) for spans in found]
    if left := len(rows) - len(traces):
        note = (
            f"{left} older traces are left out: the answer would be larger than "
            f"{limits.SEARCH_SPANS} spans (SEARCH_SPANS) or {limits.TRACE_BYTES} bytes "
            "(TRACE_BYTES); ask for fewer"
        )
        traces[-1]["warnings"] = [*(traces[-1]["warnings"] or ()), note]
    return traces


class _TooLarge(QueryError):
    def __init__(self) -> None:
        super().__init__(f"the trace is larger than {limits.TRACE_BYTES} bytes (TRACE_BYTES)")


async def _read(
    service: QueryService, ids: Sequence[str], tenant: str, near: Span | None
) -> list[list[StoredSpan]]:
    """The spans of each trace, in the order of `ids`."""
    most = limits.TRACE_SPANS + 1
    table = await table_of(service, Signal.SPANS, tenant, near and stored.around(near))
    statement = stored.by_id(ids, tenant, most, limits.SEARCH_SPANS + 1, near, table)
    try:
        rows = await service.run(statement)
    except StoreError as error:
        if error.code == TOO_LARGE:
            raise _TooLarge from error
        raise
    spans = [StoredSpan(*row) for row in rows]
    return [list(some) for _, some in itertools.groupby(spans, lambda span: span.trace_id)]


def _shaped(spans: Sequence[StoredSpan]) -> Trace:
    most = limits.TRACE_SPANS
    cut = [f"more than {most} spans (TRACE_SPANS): later ones are left out"]
    return shape.trace(spans[:most], cut if len(spans) > most else ())
