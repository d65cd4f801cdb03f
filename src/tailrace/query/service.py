"""Queries of one tenant: parse, bound, run, give back plain values."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from tailrace.core import limits
from tailrace.core.clock import Clock, SystemClock
from tailrace.core.errors import Busy, QueryError, StoreError
from tailrace.core.metrics import Metrics
from tailrace.query import evaluate, plan, regexes
from tailrace.query.catalogue import MAX_KEYS, Catalogue
from tailrace.query.engine import TIMED_OUT, Engine
from tailrace.query.labels import is_built_in, sanitise, stream
from tailrace.query.logql.ast import LogQuery, Metric, Query
from tailrace.query.plan import Grid, Scope, Statement
from tailrace.query.vectors import Value

Rows = list[tuple[Any, ...]]
Result = TypeVar("Result")
FIRST_SLICE_NS = 60_000_000_000
SLICE_GROWTH = 8
# The engine stops a statement by itself; only what it fails to stop is abandoned.
GRACE_S = 1.0
DEFAULT_LABELS = ("level", "service_name")


@dataclass(frozen=True)
class LogRange:
    """`[start_ns, end_ns)`, at most `limit` lines, oldest first when `forward`."""

    start_ns: int
    end_ns: int
    limit: int
    forward: bool = False


class QueryService:
    """Everything the HTTP routes ask. At most QUERIES_IN_FLIGHT run at once; more wait, then Busy.

    All methods raise QueryError, Busy, StoreError, or TimeoutError after `timeout_s`.
    """

    def __init__(
        self,
        engine: Engine,
        metrics: Metrics | None = None,
        clock: Clock | None = None,
        timeout_s: float = limits.QUERY_SECONDS,
    ) -> None:
        self.engine = engine
        self.metrics = metrics or Metrics()
        self.clock = clock or SystemClock()
        self._timeout_s = timeout_s
        self._slots = asyncio.Semaphore(limits.QUERIES_IN_FLIGHT)
        self._catalogue = Catalogue(self._load_keys, self.clock)

    @asynccontextmanager
    async def slot(self, kind: str, timeout_s: float = 0) -> AsyncIterator[None]:
        """Room for one query, within its time. `kind` is a constant of the code."""
        self.metrics.add("tailrace_query_requests_total", label=kind)
        try:
            await asyncio.wait_for(self._slots.acquire(), limits.QUERY_WAIT_S)
        except TimeoutError:
            self.metrics.add("tailrace_query_rejected_total", label="busy")
            message = f"more than {limits.QUERIES_IN_FLIGHT} queries are running; try again"
            raise Busy(message, retry_after_s=2, overload=False) from None
        began = self.clock.monotonic_s()
        try:
            async with asyncio.timeout((timeout_s or self._timeout_s) + GRACE_S):
                yield
        finally:
            self._slots.release()
            self.metrics.add("tailrace_query_seconds_total", self.clock.monotonic_s() - began)

    async def run(self, statement: Statement) -> Rows:
        """Rows of one statement."""
        try:
            return await self.engine.rows(
                statement.sql, statement.parameters, timeout_s=self._timeout_s
            )
        except StoreError as error:
            if error.code == TIMED_OUT:
                raise TimeoutError from error
            raise

    async def raw(self, statement: Statement, form: str) -> AsyncGenerator[bytes, None]:
        """The result of one statement in a format of the engine, see `Engine.raw`; leave a loop
        over it only inside `contextlib.aclosing`."""
        found = self.engine.raw(
            statement.sql, statement.parameters, form=form, timeout_s=limits.SQL_SECONDS
        )
        async with aclosing(found) as pieces:
            async for piece in pieces:
                yield piece

    async def scope(self, query: Query, tenant: str, start_ns: int, end_ns: int) -> Scope:
        """Check the query's regexes and resolve what its labels need."""
        for log in evaluate.log_queries(query):
            await regexes.check(log, self.engine)
        if not evaluate.needs_catalogue(query):
            return Scope(tenant)
        for aggregation in evaluate.range_aggregations(query):
            start_ns = min(start_ns, start_ns - aggregation.range_ns - aggregation.offset_ns)
            end_ns = max(end_ns, end_ns - aggregation.offset_ns)
        return Scope(tenant, await self._catalogue.keys(tenant, max(start_ns, 0), end_ns))

    async def lines(self, query: LogQuery, tenant: str, wanted: LogRange) -> Rows:
        """Rows of plan.ROW_COLUMNS, in time order."""
        if not 0 < wanted.limit <= limits.QUERY_ROWS:
            message = f"limit={wanted.limit} is outside 1 to {limits.QUERY_ROWS} (QUERY_ROWS)"
            raise QueryError(message)
        async with self.slot("lines"):
            scope = await self.scope(query, tenant, wanted.start_ns, wanted.end_ns)
            found: Rows = []
            rest = Slices(wanted, whole=bool(query.stages))
            while (piece := rest.next(len(found))) is not None:
                left = wanted.limit - len(found)
                sql = plan.log_rows(query, scope, *piece, left, wanted.forward)
                found += await self.run(sql)
                if len(found) >= wanted.limit:
                    break
            return found

    async def metric(self, query: Metric, tenant: str, on: Grid) -> Value:
        """The value of a metric query at every step of `on`."""
        async with self.slot("metric"):
            scope = await self.scope(query, tenant, on.start_ns, on.last_ns)
            return await evaluate.evaluate(query, on, scope, self.run)

    async def label_names(self, tenant: str, start_ns: int, end_ns: int) -> list[str]:
        """Sorted label names of the streams in the range."""
        async with self.slot("labels"):
            keys = await self._catalogue.keys(tenant, start_ns, end_ns)
            return sorted({*DEFAULT_LABELS, "host_name", *map(sanitise, keys)})

    async def label_values(
        self, label: str, query: LogQuery | None, tenant: str, start_ns: int, end_ns: int
    ) -> list[str]:
        """Sorted values of a label, without ''."""
        log = query or LogQuery(())
        limit = limits.QUERY_ROWS
        async with self.slot("values"):
            scope = await self.scope(log, tenant, start_ns, end_ns)
            if not is_built_in(label):
                scope = Scope(tenant, await self._catalogue.keys(tenant, start_ns, end_ns))
            sql = plan.label_values(label, log, scope, start_ns, end_ns, limit + 1)
            rows = await self.run(sql)
        if len(rows) > limit:
            raise QueryError(f"the label has more than {limit} values (QUERY_ROWS)")
        return sorted(row[0] for row in rows if row[0])

    async def series(
        self, query: LogQuery, tenant: str, start_ns: int, end_ns: int
    ) -> list[dict[str, str]]:
        """Label sets of the streams that `query` selects."""
        limit = limits.QUERY_SERIES
        async with self.slot("series"):
            scope = await self.scope(query, tenant, start_ns, end_ns)
            rows = await self.run(plan.streams(query, scope, start_ns, end_ns, limit + 1))
        if len(rows) > limit:
            raise QueryError(f"more than {limit} series match (QUERY_SERIES); narrow the selector")
        unique = {tuple(sorted(stream(*row).items())) for row in rows}
        return [dict(labels) for labels in sorted(unique)]

    async def _load_keys(self, tenant: str, start_ns: int, end_ns: int) -> tuple[str, ...]:
        rows = await self.run(plan.attribute_keys(tenant, start_ns, end_ns, MAX_KEYS))
        return tuple(row[0] for row in rows)


class Slices:
    """Growing, adjoining pieces of the range, in the order they are read.

    The newest lines of everything are usually in the last minute; reading it alone is cheaper
    than sorting the whole range for them. What is not in the first piece though it is looked for
    by its text is rare: with `whole` the rest of the range is then one piece.
    """

    def __init__(self, wanted: LogRange, whole: bool) -> None:
        self._forward = wanted.forward
        self._whole = whole
        self._left = (wanted.start_ns, wanted.end_ns)
        self._width = FIRST_SLICE_NS

    def next(self, found: int) -> tuple[int, int] | None:
        """The next piece, or None at the end; `found` lines were in the ones before."""
        start, end = self._left
        if start >= end:
            return None
        first = self._width == FIRST_SLICE_NS
        width = min(self._width, end - start)
        if self._whole and not first and not found:
            width = end - start
        self._width *= SLICE_GROWTH
        if self._forward:
            self._left = (start + width, end)
            return start, start + width
        self._left = (start, end - width)
        return end - width, end


async def timed(work: Callable[[], Awaitable[Result]], clock: Clock) -> tuple[Result, float]:
    """The result of `work` and its seconds."""
    began = clock.monotonic_s()
    result = await work()
    return result, clock.monotonic_s() - began
