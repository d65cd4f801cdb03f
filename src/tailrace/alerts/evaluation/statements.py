"""Rules in SQL: one statement for each slot, within the bounds of `/api/sql`.

It sees rows up to its slot, that time included, and after `since` before it, as ranges of LogQL
and PromQL do; `now()` is the time of the slot.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

from tailrace.alerts.evaluation.columns import columns, series
from tailrace.alerts.rule import Rule
from tailrace.core import limits
from tailrace.core.alerting import Labels
from tailrace.core.bounds import Bounds
from tailrace.core.errors import TailraceError
from tailrace.query.matrix.matrix import Matrix, matrix_of
from tailrace.query.plan import Grid
from tailrace.query.service import QueryService
from tailrace.query.sql.formats import Field
from tailrace.query.sql.service import Sql
from tailrace.query.sql.views import Extent

# Texts of which the columns are kept; a process has some thousand rules.
_KNOWN = 4_096
_BOUNDS = Bounds(result_rows=limits.RULE_SERIES, result_bytes=limits.RULE_SQL_BYTES)
_BEYOND = (
    f"the rule gives more than {limits.RULE_SERIES} rows (RULE_SERIES) or "
    f"{limits.RULE_SQL_BYTES} bytes (RULE_SQL_BYTES)"
)


class Statements:
    """Asks rules in SQL. Used from one event loop."""

    def __init__(self, service: QueryService) -> None:
        self._service = service
        self._sql = Sql(service)
        # By tenant and text; the engine has looked at these.
        self._known: dict[tuple[str, str], tuple[Field, ...]] = {}

    async def matrix(self, rule: Rule, tenant: str, grid: Grid) -> Matrix:
        """What a rule gives at the steps of `grid`: the first one, and those after it that were
        answered within RULE_SQL_SHARE of a step and make no more series than a rule may have.

        Raises what the first step raises: QueryError, Busy, StoreError, TimeoutError.
        """
        clock = self._service.clock
        until_s = clock.monotonic_s() + grid.step_ns / 1e9 * limits.RULE_SQL_SHARE
        steps = [await self._at(rule, tenant, grid.start_ns)]
        labels = dict.fromkeys(steps[0])
        # What fails is told when its step is the first one.
        with suppress(TailraceError, TimeoutError):
            async with asyncio.timeout(until_s - clock.monotonic_s()):
                while len(steps) < grid.steps and clock.monotonic_s() < until_s:
                    at_ns = grid.start_ns + len(steps) * grid.step_ns
                    found = await self._at(rule, tenant, at_ns)
                    joined = labels | dict.fromkeys(found)
                    if len(joined) > limits.RULE_SERIES:
                        break
                    labels = joined
                    steps.append(found)
        values = {one: [step.get(one) for step in steps] for one in labels}
        # How sure it is nobody knows.
        return replace(matrix_of(values, len(steps)), variance=None)

    async def _at(self, rule: Rule, tenant: str, at_ns: int) -> dict[Labels, float]:
        """The series at one time."""
        extent = Extent(tenant, at_ns - rule.since_ns + 1, at_ns + 1, now_ns=at_ns)
        key = (tenant, rule.expr)
        async with self._service.slot("sql"):
            prepared = await self._sql.prepare(rule.expr, extent, self._known.get(key, ()))
            chosen = columns(prepared.fields)
            self._remember(key, prepared.fields)
            rows = await self._sql.rows(prepared, _BOUNDS, _BEYOND)
        return series(chosen, rows)

    def _remember(self, key: tuple[str, str], fields: tuple[Field, ...]) -> None:
        if key not in self._known and len(self._known) >= _KNOWN:
            del self._known[next(iter(self._known))]
        self._known[key] = fields
