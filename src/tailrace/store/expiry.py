"""Rows leave the hot tables when they are old and the archive has them.

In turns, each of which first drops what is below the recorded horizon and then raises the horizon
for the next turn. So a query that began before the horizon was raised, and still reads the hot
table below it, has the time from one turn to the next to end. A crash between the two leaves rows
that no query looks at any more, and the first turn after it drops them.

How a row that is not archived cannot be dropped: a turn first remembers the newest insert of each
partition, and then waits until all that was in the queue at that moment is archived. So every row
that was there is archived, or was for the hot lane alone and travels in the bulk lane again. A
partition with a newer insert by then is left for the next turn, and nothing is inserted between
that look and the drop.

Exemplars are not in the archive, and series are what all samples are called: both stay.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple

from tailrace.core import log
from tailrace.core.clock import Clock
from tailrace.core.contracts import Position
from tailrace.core.errors import TailraceError
from tailrace.core.frame import Signal
from tailrace.core.metrics import Metrics
from tailrace.store import sql
from tailrace.store.engine import Engine
from tailrace.store.horizon import Horizon
from tailrace.store.schema import HOT_TABLES

_log = log.get("store")
# Also the longest time a query may take, see the module.
TURN_S = 3600.0
_DAY_NS = 86_400_000_000_000
# By table and partition: the number of the newest insert.
_Inserts = dict[tuple[str, str], int]


class Archived(NamedTuple):
    """What expiry asks of queue and archive. `caught_up` waits until all that is in the queue when
    it is called is in the archive and in the hot tables, and is False when it gave up; `upto` is
    how far the archive is."""

    caught_up: Callable[[], Awaitable[bool]]
    upto: Callable[[], Position]


class Expiry:
    """Runs until it is cancelled. `keep_s`: how long rows stay; 0 is for ever."""

    def __init__(
        self,
        engine: Engine,
        horizon: Horizon,
        archived: Archived,
        clock: Clock,
        metrics: Metrics,
        keep_s: float,
    ) -> None:
        self._engine = engine
        self._horizon = horizon
        self._archived = archived
        self._clock = clock
        self._metrics = metrics
        self._keep_s = keep_s

    async def run(self) -> None:
        """A turn every TURN_S. What fails is tried again in the next one."""
        while True:
            try:
                await self.turn()
            except (TailraceError, OSError) as error:
                _log.error("hot rows not dropped; trying again", extra={"error": str(error)})
                self._metrics.add("tailrace_store_expiry_failures_total")
            await asyncio.sleep(TURN_S)

    async def turn(self) -> None:
        """Drop what is below the horizon, then raise it. Raises StoreError and OSError."""
        if not self._keep_s and not any(map(self._horizon.of, Signal)):
            return
        seen = await self._inserts()
        if not await self._archived.caught_up():
            return
        upto = self._archived.upto()
        await asyncio.to_thread(self._horizon.raise_to, 0, upto)
        for signal, table in HOT_TABLES.items():
            await self._drop(table, self._horizon.of(signal), seen)
        if self._keep_s:
            oldest_ns = self._clock.wall_ns() - int(self._keep_s * 1e9)
            day_ns = max(oldest_ns, 0) // _DAY_NS * _DAY_NS
            await asyncio.to_thread(self._horizon.raise_to, day_ns, upto)

    async def _inserts(self) -> _Inserts:
        tables = ", ".join(map(sql.text, HOT_TABLES.values()))
        found = await self._engine.rows(
            "SELECT table, partition_id, max(max_block_number) FROM system.parts "
            f"WHERE active AND database = currentDatabase() AND table IN ({tables}) "
            "GROUP BY table, partition_id"
        )
        return {(str(table), str(part)): int(block) for table, part, block in found}

    async def _drop(self, table: str, horizon_ns: int, seen: _Inserts) -> None:
        """Whole partitions where all is older; of one that also holds rows of the future, since
        such share a day (schema.py), the older rows. A day that is not over the horizon keeps what
        it has of older ones: its own turn comes."""
        if not horizon_ns:
            return
        bound = sql.moment(horizon_ns)
        found = await self._engine.rows(
            f"SELECT _partition_id, max(Timestamp) < {bound}, count() FROM {table} "
            f"WHERE _partition_id < formatDateTime({bound}, '%Y%m%d') "
            f"GROUP BY _partition_id HAVING min(Timestamp) < {bound} ORDER BY _partition_id"
        )
        for partition, whole, rows in found:
            name = f"PARTITION ID {sql.text(str(partition))}"
            statement = f"ALTER TABLE {table} DROP {name}"
            if not whole:
                statement = (
                    f"ALTER TABLE {table} DELETE IN {name} WHERE Timestamp < {bound} "
                    "SETTINGS mutations_sync=2"
                )
            key = (table, str(partition))
            if await self._engine.write_if(partial(self._quiet, key, seen), statement):
                _log.info("hot rows dropped", extra={"table": table, "day": str(partition)})
                if whole:
                    self._metrics.add("tailrace_store_dropped_rows_total", int(rows))

    async def _quiet(self, key: tuple[str, str], seen: _Inserts) -> bool:
        """Whether nothing came into a partition since `seen`."""
        return key in seen and (await self._inserts()).get(key) == seen[key]
