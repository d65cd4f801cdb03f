"""Rows leave the hot tables when their time or their room is over and the archive has them.

In turns, each of which first drops what is below the recorded horizons and then raises these for
the next turn. So a query that began before a horizon was raised, and still reads the hot table
below it, has the time from one turn to the next to end. A crash between the two leaves rows that no
query looks at any more, and the first turn after it drops them.

How a row that is not archived cannot be dropped: a turn first remembers the newest insert of each
day, and then waits until all that was in the queue at that moment is archived. So every row that
was there is archived, or was for the hot lane alone and travels in the bulk lane again. Only parts
without a newer insert are dropped; a day goes as a whole when nothing is inserted between that look
and the drop.

What goes: days of which all is old, whole; of others the parts of which all is old, whole. Parts of
which some groups are old and others are not are written anew without them, a few days in a turn and
one at a time, beside the inserts; where less than a tenth would go, nobody reads it and it stays
until its day is over. Exemplars go with the samples of their tenant, though the archive has none;
series, see seriesage.py.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import NamedTuple

from tailrace.core import limits, log
from tailrace.core.clock import Clock
from tailrace.core.contracts import Position
from tailrace.core.deletion import Deletions
from tailrace.core.errors import TailraceError
from tailrace.core.frame import Signal
from tailrace.core.hours import ALWAYS, Hours
from tailrace.core.metrics import Metrics
from tailrace.store.dropping import Below, Dropping
from tailrace.store.engine import Engine
from tailrace.store.horizon import Horizon
from tailrace.store.keep import Groups, Keep
from tailrace.store.seriesage import SeriesAge
from tailrace.store.stock import TABLES, Part, Rows, Stock

_log = log.get("store")
# Also the longest time a query may take, see the module.
TURN_S = 3600.0
# Of the rows of a part: where fewer would go it is not written anew.
_WORTHWHILE = 0.1
# By table and day: the number of the newest insert.
_Inserts = dict[tuple[str, str], int]


class Archived(NamedTuple):
    """What expiry asks of queue and archive. `caught_up` waits until all that is in the queue when
    it is called is in the archive and in the hot tables, and is False when it gave up; `upto` is
    how far the archive is."""

    caught_up: Callable[[], Awaitable[bool]]
    upto: Callable[[], Position]


class Expiry:
    """Runs until it is cancelled. `rewriting`: when parts may be written anew, local time."""

    def __init__(
        self,
        engine: Engine,
        horizon: Horizon,
        archived: Archived,
        deletions: Deletions,
        clock: Clock,
        metrics: Metrics,
        keep: Keep,
        series: SeriesAge,
        rewriting: Hours = ALWAYS,
    ) -> None:
        self._stock = Stock(engine)
        self._dropping = Dropping(engine, deletions, metrics)
        self._horizon = horizon
        self._archived = archived
        self._clock = clock
        self._metrics = metrics
        self._keep = keep
        self._series = series
        self._rewriting = rewriting

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
        """Drop what is below the horizons, then raise them. Raises StoreError and OSError."""
        below = Below(self._horizon.groups, self._horizon.times(Groups()))
        if not self._keep.bounded and not any(below.horizons.values()):
            return
        seen = _inserts(await self._stock.parts())
        if not await self._archived.caught_up():
            return
        upto = self._archived.upto()
        await asyncio.to_thread(self._horizon.raise_to, 0, upto)
        await self._drop(below, seen)
        await self._raise(upto)
        await self._series.turn()

    async def _raise(self, upto: Position) -> None:
        named = self._keep.groups
        horizons = self._horizon.times(named)
        held = []
        parts = await self._stock.parts()
        self._stock.forget(parts)
        if self._keep.sized:
            held = await self._stock.held(parts, self._horizon.groups.joined(named))
        targets = self._keep.targets(horizons, held, self._clock.wall_ns())
        await asyncio.to_thread(self._horizon.raise_to, targets, upto, named)

    async def _drop(self, below: Below, seen: _Inserts) -> None:
        for day in await self._days(below, seen):
            await self._drop_whole(day, below)
        left = limits.DAYS_REWRITTEN
        for table in TABLES:
            if self._rewriting.away_s(self._now()):
                break
            # Others have new names after each.
            days = [one for one in await self._days(below, seen) if one.of(table) and one.partly]
            parts = [part for day in days[:left] for part in day.partly]
            if parts and await self._dropping.rows(parts, below, TURN_S):
                left -= len(days[:left])

    async def _days(self, below: Below, seen: _Inserts) -> list[_Day]:
        """Days that begin before the last horizon of their signal, oldest first. One that does not
        keeps what it has of older rows: its own turn comes."""
        last: dict[Signal, int] = {}
        for (signal, _), time_ns in below.horizons.items():
            last[signal] = max(time_ns, last.get(signal, 0))
        parts = [one for one in await self._stock.parts() if one.day_ns < last[one.signal]]
        rows = await self._stock.rows(parts, below.groups)
        each = groupby(parts, lambda one: (one.table, one.partition))
        return [_Day(list(some), rows, below, seen) for _, some in each]

    async def _drop_whole(self, day: _Day, below: Below) -> None:
        whole = len(day.whole) == len(day.parts)
        if whole and await self._dropping.day(day.parts, below, partial(self._quiet, day)):
            return
        if day.whole:
            await self._dropping.parts(day.whole, below)

    async def _quiet(self, day: _Day) -> bool:
        """Whether nothing came into a day since it was looked at."""
        found = _inserts(await self._stock.parts())
        return found.get(day.key) == max(part.newest for part in day.parts)

    def _now(self) -> time.struct_time:
        return time.localtime(self._clock.wall_ns() / 1e9)


class _Day:
    """The parts of one day in one table. `whole`: those of which all may go; `partly`: those of
    which so much may go that they are to be written anew."""

    def __init__(
        self,
        parts: list[Part],
        rows: Mapping[Part, Sequence[Rows]],
        below: Below,
        seen: _Inserts,
    ) -> None:
        self.parts = parts
        self.key = (parts[0].table, parts[0].partition)
        self.whole: list[Part] = []
        self.partly: list[Part] = []
        self._sort(rows, below, seen)

    def of(self, table: str) -> bool:
        return self.key[0] == table

    def _sort(self, rows: Mapping[Part, Sequence[Rows]], below: Below, seen: _Inserts) -> None:
        for part in self.parts:
            if part.newest > seen.get(self.key, 0) or not rows[part]:
                continue
            horizons = {one: below.horizons[part.signal, one.group] for one in rows[part]}
            if all(one.last_ns < horizon_ns for one, horizon_ns in horizons.items()):
                self.whole.append(part)
                continue
            old = (one.rows for one, horizon_ns in horizons.items() if one.first_ns < horizon_ns)
            if sum(old) >= max(part.rows * _WORTHWHILE, 1):
                self.partly.append(part)


def _inserts(parts: Sequence[Part]) -> _Inserts:
    found: _Inserts = {}
    for part in parts:
        key = (part.table, part.partition)
        found[key] = max(part.newest, found.get(key, 0))
    return found
