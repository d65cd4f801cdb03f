"""A server's tables, archive and expiry, without the server: time and the queue are the test's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from tailrace.core.clock import ManualClock
from tailrace.core.contracts import Position
from tailrace.core.deletion import Deletion
from tailrace.core.frame import Frame, Lane, Signal
from tailrace.core.metrics import Metrics
from tailrace.store import sql
from tailrace.store.archive import Archive
from tailrace.store.engine import Engine
from tailrace.store.expiry import Archived, Expiry
from tailrace.store.horizon import Horizon
from tailrace.store.keep import Keep, Kept, Which
from tailrace.store.reach import Reach
from tailrace.store.schema import HOT_TABLES
from tailrace.store.seriesage import SeriesAge
from tailrace.store.tables import Tables, bulk_tables, hot_tables

from .building import NOW, at

DAY_NS = 86_400_000_000_000
TODAY = NOW // DAY_NS * DAY_NS
KEEP_DAYS = 2
ALWAYS = (-(2**62), 2**62)


class Noted:
    """The record of deletions, in memory."""

    def __init__(self) -> None:
        self.all: dict[str, Deletion] = {}

    async def note(self, deletions: Sequence[Deletion]) -> None:
        for one in deletions:
            self.all.setdefault(one.id, one)


class Server:
    """Tables, archive and expiry over a queue that is a list; `restart` is what a kill leaves."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self.folder = folder
        self.clock = ManualClock(NOW)
        self.waiting: list[Frame] = []
        self.taken = 0
        self.noted = Noted()

    async def restart(self, keep_days: float = KEEP_DAYS, keep: Keep | None = None) -> None:
        self.hot: Tables = hot_tables(self.engine, self.folder)
        self.bulk: Tables = bulk_tables(self.engine, self.folder)
        self.archive = Archive(self.engine, self.folder / "archive")
        await self.archive.open()
        self.horizon = Horizon(self.folder / "horizon")
        self.horizon.open(self.archive.upto)
        self.reach = Reach(self.archive, self.horizon)
        archived = Archived(self._caught_up, lambda: self.archive.upto)
        self.expiry = Expiry(
            self.engine, self.horizon, archived, self.noted, self.clock, Metrics(),
            keep or Keep({Which(): Kept(keep_days * 86_400.0)}),
            SeriesAge(
                self.engine, self.horizon,
                lambda tenant: self.archive.listing.oldest_ns(Signal.METRICS, tenant), self.noted,
            ),
        )  # fmt: skip
        self.stuck = False

    async def _caught_up(self) -> bool:
        if not self.stuck:
            await self.archived()
        return not self.stuck

    async def insert(self, *frames: Frame) -> None:
        """Into the hot tables; the archiver has not seen them yet."""
        hot = [one for one in frames if one.header.lane is not Lane.BULK]
        if hot:
            await self.hot.insert(hot)
        self.waiting += frames

    async def archived(self) -> None:
        """What waits, in one step."""
        waiting, self.waiting = self.waiting, []
        both = [one.header for one in waiting if one.header.lane is Lane.BOTH]
        bulk = [one for one in waiting if one.header.lane is Lane.BULK]
        await self.bulk.clear()
        if bulk:
            await self.bulk.insert(bulk)
        self.taken += 1
        if both or bulk:
            headers = [one.header for one in bulk]
            await self.archive.step(both, headers, Position(1, self.taken))

    async def days(self, signal: Signal = Signal.LOGS) -> list[str]:
        """Partitions that the hot table has."""
        found = await self.engine.rows(
            f"SELECT DISTINCT _partition_id FROM {HOT_TABLES[signal]} ORDER BY 1"
        )
        return [str(row[0]) for row in found]

    async def bodies(
        self,
        tenant: str = "default",
        span: tuple[int, int] = ALWAYS,
        exact: bool = False,
        service: str = "",
    ) -> list[str]:
        """What a query of the range gives, or one of a service."""
        found = await self.reach.of(Signal.LOGS, tenant, *span, exact, service)
        of_service = f"AND ServiceName = {sql.text(service)} " if service else ""
        rows = await self.engine.rows(
            f"SELECT Body FROM {found.table} WHERE Tenant = {sql.text(tenant)} {of_service}"
            f"AND toUnixTimestamp64Nano(Timestamp) >= {span[0]} "
            f"AND toUnixTimestamp64Nano(Timestamp) <= {span[1]} ORDER BY Timestamp, _part_offset"
        )
        return [str(row[0]) for row in rows]

    async def hot_bodies(self) -> set[str]:
        return {str(row[0]) for row in await self.engine.rows("SELECT Body FROM logs")}


In = Callable[[Callable[[Server], Awaitable[None]]], None]


def aged(*days: float, seq: int = 1, **fields: Any) -> Frame:
    """A frame with a row of each age, received when the youngest of them happened."""
    times = [int(TODAY + DAY_NS // 2 - day * DAY_NS) for day in days]
    return at(*times, seq=seq, **{"received_ns": max(times), **fields})
