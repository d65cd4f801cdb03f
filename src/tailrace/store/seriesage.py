"""What series are called is kept for as long as there is a sample of them, hot or archived.

A row of `series` says it for the samples up to the hour of its `LastSeen`. Below the horizon of a
tenant its samples are read from the archive alone, so a row is not needed whose last hour is before
both the horizon and the oldest file of the tenant's samples.

How a row that is needed cannot go: a late sample brings its row first, is then in the tables, and
in the archive before it leaves these. So nothing is deleted of a tenant while any of the tables has
a sample from before that time, and the files are looked at after the tables.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tailrace.core import log
from tailrace.core.deletion import Deletion, Deletions, Place, Reason
from tailrace.core.frame import Signal
from tailrace.store import sql
from tailrace.store.engine import Engine
from tailrace.store.horizon import Horizon
from tailrace.store.keep import Group

_log = log.get("store")
_HOUR_NS = 3_600_000_000_000
# Of the rows of the table: it is written anew as a whole, so not for fewer.
_WORTHWHILE = 0.1
_WAITING = ("arriving_samples", "arriving_bulk_samples", "bulk_samples", "samples")
# A tenant's oldest file of samples: its first event time, UTC nanoseconds; None without any.
Oldest = Callable[[str], int | None]
# By tenant, the time before which no row is needed.
_Times = dict[str, int]


class SeriesAge:
    """Over an engine, its horizon and what the archive has."""

    def __init__(
        self, engine: Engine, horizon: Horizon, oldest_ns: Oldest, deletions: Deletions
    ) -> None:
        self._engine = engine
        self._horizon = horizon
        self._oldest_ns = oldest_ns
        self._deletions = deletions

    async def turn(self) -> int:
        """Delete rows that are not needed, where they are many; how many. Raises StoreError."""
        if not self._horizon.last_ns(Signal.METRICS) or await self._at_work():
            return 0
        found = await self._engine.rows("SELECT Tenant, count() FROM series GROUP BY Tenant")
        times = {str(tenant): self._needed_ns(str(tenant)) for tenant, _ in found}
        old = await self._old(times)
        dead = sum(one.rows for one in old)
        if not dead or dead < sum(int(rows) for _, rows in found) * _WORTHWHILE:
            return 0
        times = {one.tenant: times[one.tenant] for one in old}
        statement = f"ALTER TABLE series DELETE WHERE {_before(times)} SETTINGS mutations_sync=0"
        if not await self._engine.write_if(partial(self._noted, times, old), statement):
            return 0
        _log.info("series forgotten that have no samples", extra={"rows": dead})
        return dead

    def _needed_ns(self, tenant: str) -> int:
        """From here on rows are needed; 0 where all are."""
        horizon_ns = self._horizon.of(Signal.METRICS, Group(tenant))
        oldest_ns = self._oldest_ns(tenant)
        first_ns = horizon_ns if oldest_ns is None else min(horizon_ns, oldest_ns)
        return max(first_ns // _HOUR_NS * _HOUR_NS, 0)

    async def _at_work(self) -> bool:
        found = await self._engine.rows(
            "SELECT 1 FROM system.mutations WHERE NOT is_done AND database = currentDatabase() "
            "AND table = 'series' LIMIT 1"
        )
        return bool(found)

    async def _old(self, times: _Times) -> list[Deletion]:
        where = _before(times)
        if not where:
            return []
        found = await self._engine.rows(
            "SELECT Tenant, count(), toUnixTimestamp64Nano(CAST(min(FirstSeen), 'DateTime64(9)')), "
            "toUnixTimestamp64Nano(CAST(max(LastSeen), 'DateTime64(9)')) "
            f"FROM series WHERE {where} GROUP BY Tenant"
        )
        return [
            Deletion(
                id=f"hot/series/{times[tenant]}/{tenant}",
                tenant=tenant,
                place=Place.HOT,
                reason=Reason.EXPIRED,
                subject="series without samples",
                rows=rows,
                signal=Signal.METRICS,
                first_ns=first_ns,
                last_ns=last_ns,
            )
            for tenant, rows, first_ns, last_ns in found
        ]

    async def _noted(self, times: _Times, old: list[Deletion]) -> bool:
        for table in _WAITING:
            late = " OR ".join(
                f"(Tenant = {sql.text(tenant)} AND Timestamp < {sql.moment(time_ns)})"
                for tenant, time_ns in times.items()
            )
            if await self._engine.rows(f"SELECT 1 FROM {table} WHERE {late} LIMIT 1"):
                return False
        if any(self._needed_ns(tenant) < time_ns for tenant, time_ns in times.items()):
            return False
        await self._deletions.note(old)
        return True


def _before(times: _Times) -> str:
    """SQL: whether a row of `series` is of before its tenant's time. "" for none of any."""
    return " OR ".join(
        f"(Tenant = {sql.text(tenant)} AND LastSeen < {sql.moment(time_ns)})"
        for tenant, time_ns in times.items()
        if time_ns
    )
