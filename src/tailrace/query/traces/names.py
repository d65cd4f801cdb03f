"""Which services and operations have spans, remembered for ten seconds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from tailrace.core.clock import Clock
from tailrace.core.limits import TRACE_NAMES
from tailrace.query.binder import Binder
from tailrace.query.catalogue import LIFETIME_S, MAX_ENTRIES, ROUND_NS
from tailrace.query.plan import Statement, of_tenant
from tailrace.query.traces.stored import Span

# Of all entries together: some ten megabytes.
NAMES_HELD = 100_000
Names = list[tuple[Any, ...]]
Run = Callable[[Statement], Awaitable[Names]]


def services(tenant: str, span_ns: Span, table: str = "spans") -> Statement:
    """Rows `(service,)` of spans of `table` that began within."""
    bind = Binder()
    where = of_tenant(tenant, span_ns, bind)
    return Statement(f"SELECT DISTINCT ServiceName FROM {table} WHERE {where}{_MOST}", bind.values)


def operations(
    tenant: str, service: str, kind: str, span_ns: Span, table: str = "spans"
) -> Statement:
    """Rows `(operation, kind)` of a service; a `kind` such as "server", or "" for all."""
    bind = Binder()
    where = f"{of_tenant(tenant, span_ns, bind)} AND ServiceName = {bind.text(service)}"
    if kind:
        where += f" AND SpanKind = {bind.text(kind.lower().capitalize())}"
    return Statement(
        f"SELECT DISTINCT SpanName, SpanKind FROM {table} WHERE {where}{_MOST}", bind.values
    )


_MOST = f" LIMIT {TRACE_NAMES}"


class Remembered:
    """Asks a statement at most once in ten seconds: pages ask for names whenever they are opened.

    Ranges are rounded outwards to hours, so that a page that refreshes finds its entry again.
    """

    def __init__(self, run: Run, clock: Clock) -> None:
        self._run = run
        self._clock = clock
        self._known: dict[str, tuple[float, Names]] = {}

    async def names(self, span_ns: Span, wanted: Callable[[Span], Awaitable[Statement]]) -> Names:
        """Sorted rows of `wanted` within these hours."""
        statement = await wanted(
            (span_ns[0] // ROUND_NS * ROUND_NS, -(-span_ns[1] // ROUND_NS) * ROUND_NS)
        )
        entry = repr((statement.sql, sorted(statement.parameters.items())))
        now = self._clock.monotonic_s()
        if entry in self._known and now - self._known[entry][0] < LIFETIME_S:
            return self._known[entry][1]
        found = sorted(await self._run(statement))
        held = sum(len(names) for _, names in self._known.values())
        if len(self._known) >= MAX_ENTRIES or held + len(found) > NAMES_HELD:
            self._known.clear()
        self._known[entry] = (now, found)
        return found
