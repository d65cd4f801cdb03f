"""Which services and operations have spans, remembered for ten seconds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from tailrace.core import limits
from tailrace.core.clock import Clock
from tailrace.query.binder import Binder
from tailrace.query.lately import Lately, hours
from tailrace.query.plan import Statement, of_tenant
from tailrace.query.traces.stored import Span

Names = Sequence[tuple[Any, ...]]
Run = Callable[[Statement], Awaitable[Names]]


def services(tenant: str, span_ns: Span, table: str) -> Statement:
    """Rows `(service,)` of spans of `table` that began within."""
    bind = Binder()
    where = of_tenant(tenant, span_ns, bind)
    return Statement(
        f"SELECT DISTINCT ServiceName FROM {table} WHERE {where}{_most()}", bind.values
    )


def operations(tenant: str, service: str, kind: str, span_ns: Span, table: str) -> Statement:
    """Rows `(operation, kind)` of a service; a `kind` such as "server", or "" for all."""
    bind = Binder()
    where = f"{of_tenant(tenant, span_ns, bind)} AND ServiceName = {bind.text(service)}"
    if kind:
        where += f" AND SpanKind = {bind.text(kind.lower().capitalize())}"
    return Statement(
        f"SELECT DISTINCT SpanName, SpanKind FROM {table} WHERE {where}{_most()}", bind.values
    )


def _most() -> str:
    return f" LIMIT {limits.TRACE_NAMES}"


class Remembered:
    """Asks a statement once, as long as lately.py remembers its rows."""

    def __init__(self, run: Run, clock: Clock) -> None:
        self._run = run
        self._known: Lately[tuple[Any, ...]] = Lately(clock)

    async def names(self, span_ns: Span, wanted: Callable[[Span], Awaitable[Statement]]) -> Names:
        """Sorted rows of `wanted` within these hours."""
        statement = await wanted(hours(*span_ns))
        key = repr((statement.sql, sorted(statement.parameters.items())))
        if (found := self._known.get(key)) is None:
            found = self._known.keep(key, sorted(await self._run(statement)))
        return found
