"""The queries that took long: one line of the own log each, and the last ones in memory."""

from __future__ import annotations

import asyncio
from collections import deque

import msgspec

from tailrace.core import limits, log
from tailrace.core.bounds import Terms
from tailrace.core.clock import Clock
from tailrace.core.errors import StoreError
from tailrace.core.metrics import Metrics
from tailrace.core.visible import visible
from tailrace.query.bounds.masking import masked
from tailrace.query.bounds.running import Running
from tailrace.query.engine import Engine
from tailrace.query.plan import Statement

_log = log.get("query")
_PLAN_S = 5.0


class SlowQuery(msgspec.Struct, frozen=True):
    """One that took long. `query` and `plan` are without what they look for. `outcome` is "ok" or
    the name of the error; the plan is of the statement that took longest."""

    time_ns: int
    tenant: str
    kind: str
    query: str
    seconds: float
    read_rows: int
    read_bytes: int
    outcome: str
    plan: str


class SlowQueries:
    """Of the queries that took `slow_s` or longer, the last SLOW_QUERIES."""

    def __init__(self, engine: Engine, metrics: Metrics, clock: Clock, slow_s: float) -> None:
        self._engine = engine
        self._metrics = metrics
        self._clock = clock
        self._slow_s = slow_s
        self._last: deque[SlowQuery] = deque(maxlen=limits.SLOW_QUERIES)
        self._noting: set[asyncio.Task[None]] = set()

    def of(self, tenant: str) -> list[SlowQuery]:
        """Those of one tenant, the last one first."""
        return [one for one in reversed(self._last) if one.tenant == tenant]

    def ended(self, query: Running, seconds: float, error: BaseException | None) -> None:
        """Note the query when it was slow. The plan is asked for when nobody waits any more; of
        queries that end faster than that, only the figures are kept."""
        if seconds < self._slow_s:
            return
        self._metrics.add("tailrace_query_slow_total")
        question = query.question
        found = SlowQuery(
            time_ns=self._clock.wall_ns(),
            tenant=question.tenant,
            kind=query.kind,
            query=_short(question.text, limits.SLOW_TEXT_CHARS),
            seconds=round(seconds, 3),
            read_rows=question.used.rows,
            read_bytes=question.used.bytes,
            outcome=type(error).__name__ if error else "ok",
            plan="",
        )
        if query.slowest is None or len(self._noting) >= limits.QUERIES_IN_FLIGHT:
            self._note(found)
            return
        noting = asyncio.create_task(self._explain(found, query, query.slowest))
        self._noting.add(noting)
        noting.add_done_callback(self._noting.discard)

    async def settled(self) -> None:
        """Until every plan that was asked for is there."""
        while self._noting:
            await asyncio.wait(self._noting)

    async def _explain(self, found: SlowQuery, query: Running, statement: Statement) -> None:
        # The engine runs scalar subqueries to tell.
        terms = Terms(_PLAN_S, query.allowed.bounds.within(statement.bounds))
        try:
            rows = await self._engine.rows(
                f"EXPLAIN indexes=1 {statement.sql}", statement.parameters, terms
            )
            plan = "\n".join(str(row[0]) for row in rows)
        except StoreError as error:
            plan = f"no plan: {error}"
        shown = "\n".join(
            _short(line, limits.SLOW_PLAN_CHARS) for line in plan.split("\n") if line.strip()
        )
        self._note(msgspec.structs.replace(found, plan=shown[: limits.SLOW_PLAN_CHARS]))

    def _note(self, found: SlowQuery) -> None:
        self._last.append(found)
        _log.warning("a query was slow", extra=msgspec.structs.asdict(found))


def _short(text: str, most: int) -> str:
    return visible(masked(text[: limits.QUERY_TEXT_BYTES]))[:most]
