"""How much a statement would read, known before it does.

The engine tells how many rows the index leaves, which takes it some 10 ms. So it is asked only
where the tables that a statement names, read whole, hold more than the tenant may read; a store
that is smaller than that costs nothing. Bytes are the rows times the width of the columns that the
statement names: an estimate, of what is read when no LIMIT ends it early.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass

from tailrace.core.bounds import Terms
from tailrace.core.clock import Clock
from tailrace.core.errors import QueryError, StoreError
from tailrace.query.bounds.allowance import Allowance
from tailrace.query.bounds.refusals import NARROW, size
from tailrace.query.engine import Engine
from tailrace.query.plan import Statement

# What is known of the tables is this old at most: they grow slowly against what may be read.
KNOWN_S = 60.0
_TIMEOUT_S = 5.0
_OWN = Terms(_TIMEOUT_S)
_WORD = re.compile(r"\w+")
_COLUMNS = (
    "SELECT table, name, data_uncompressed_bytes FROM system.columns "
    "WHERE database = currentDatabase() AND data_uncompressed_bytes > 0"
)
_ROWS = (
    "SELECT table, sum(rows), sum(data_uncompressed_bytes), sumIf(rows, part_type = 'Wide') "
    "FROM system.parts WHERE active AND database = currentDatabase() GROUP BY table"
)


@dataclass(frozen=True)
class Estimate:
    """What a statement would read at most."""

    rows: int
    bytes: int


@dataclass(frozen=True)
class Table:
    """Rows of a table and their bytes in memory. Small parts do not tell the size of each column:
    `columns` are those of the `wide` rows, which are in others."""

    rows: int
    bytes: int
    wide: int
    columns: Mapping[str, int]

    def width(self, words: frozenset[str]) -> float:
        """Bytes of a row of the columns that are named; of all where none is, or none is known."""
        named = [size for name, size in self.columns.items() if name in words]
        if named and self.wide:
            return sum(named) / self.wide
        return self.bytes / max(self.rows, 1)


class Estimates:
    """Of statements on the tables of `engine`."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._known: dict[str, Table] = {}
        self._until_s = float("-inf")
        self._loading = asyncio.Lock()

    async def check(self, statement: Statement, allowed: Allowance) -> None:
        """Raise QueryError for a statement that would read more than the tenant may."""
        most = allowed.read_bytes
        if not most or await self._whole(statement) <= most:
            return
        found = await self.of(statement, allowed)
        if found is not None and found.bytes > most:
            raise QueryError(
                f"the query would read about {size(found.bytes)} in {found.rows:,} rows, more "
                f"than {size(most)} (query.read_bytes); {NARROW}"
            )

    async def of(self, statement: Statement, allowed: Allowance) -> Estimate | None:
        """None where the engine cannot tell: the statement itself will say why. To tell, it runs
        the scalar subqueries, so what the statement may read bounds that, too."""
        terms = Terms(_TIMEOUT_S, allowed.bounds.within(statement.bounds))
        try:
            found = await self._engine.rows(
                f"EXPLAIN ESTIMATE {statement.sql}", statement.parameters, terms
            )
        except StoreError:
            return None
        tables, words = await self._tables(), _words(statement)
        rows = {table: int(count) for _, table, _, count, _ in found}
        widths = {name: tables[name].width(words) for name in rows if name in tables}
        total = sum(rows[name] * width for name, width in widths.items())
        return Estimate(sum(rows.values()), int(total))

    async def _whole(self, statement: Statement) -> float:
        """Bytes of all rows of the tables that are named; of all tables where none is."""
        tables, words = await self._tables(), _words(statement)
        named = [table for name, table in tables.items() if name in words] or tables.values()
        return sum(table.rows * table.width(words) for table in named)

    async def _tables(self) -> Mapping[str, Table]:
        async with self._loading:
            if self._clock.monotonic_s() >= self._until_s:
                try:
                    self._known = await self._load()
                except StoreError:
                    self._known = {}
                self._until_s = self._clock.monotonic_s() + KNOWN_S
        return self._known

    async def _load(self) -> dict[str, Table]:
        columns: dict[str, dict[str, int]] = {}
        for table, name, count in await self._engine.rows(_COLUMNS, terms=_OWN):
            columns.setdefault(table, {})[name] = int(count)
        return {
            table: Table(int(rows), int(count), int(wide), columns.get(table, {}))
            for table, rows, count, wide in await self._engine.rows(_ROWS, terms=_OWN)
        }


def _words(statement: Statement) -> frozenset[str]:
    return frozenset(_WORD.findall(statement.sql))
