"""How rows of one day leave a hot table: noted first, and then as a day, as parts, or by writing
their parts anew."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from tailrace.core import log
from tailrace.core.deletion import Deletion, Deletions, Place, Reason
from tailrace.core.errors import StoreError
from tailrace.core.metrics import Metrics
from tailrace.store import sql
from tailrace.store.engine import Engine
from tailrace.store.keep import Group, Groups, Targets
from tailrace.store.stock import Part, numbers, older

_log = log.get("store")
# Between two looks at whether parts are written anew: at first, and at most.
_LOOK_S, _MOST_LOOK_S = 0.05, 5.0
Allowed = Callable[[], Awaitable[bool]]


class Below(NamedTuple):
    """What the horizons of groups were when a turn began."""

    groups: Groups
    horizons: Targets


class Dropping:
    """Over the tables of an engine. All methods raise StoreError; then the rows are there, or their
    deletion is noted."""

    def __init__(self, engine: Engine, deletions: Deletions, metrics: Metrics) -> None:
        self._engine = engine
        self._deletions = deletions
        self._metrics = metrics

    async def day(self, parts: Sequence[Part], below: Below, quiet: Allowed) -> bool:
        """All `parts` of a day, which nothing else is in while `quiet` says so. Whether it went."""
        table, day = parts[0].table, parts[0].partition
        statement = f"ALTER TABLE {table} DROP PARTITION ID {sql.text(day)}"
        return await self._gone(parts, below, "", quiet, statement)

    async def parts(self, parts: Sequence[Part], below: Below) -> bool:
        """Some parts of a day, whole."""
        drops = ", ".join(f"DROP PART {sql.text(part.name)}" for part in parts)
        statement = f"ALTER TABLE {parts[0].table} {drops}"
        return await self._gone(parts, below, "", self._there(parts), statement)

    async def rows(self, parts: Sequence[Part], below: Below, most_s: float) -> bool:
        """What is old in some parts of a table; they are written anew without it, beside inserts.
        Waits `most_s` at most."""
        table = parts[0].table
        if not await self._settled(table, 0.0):
            return False
        old = older(parts[0].signal, *below)
        # Parts that are merged before they are written anew have other names, and stay as they are.
        statement = (
            f"ALTER TABLE {table} DELETE WHERE _part IN ({_names(parts)}) AND {old} "
            "SETTINGS mutations_sync=0"
        )
        if not await self._gone(parts, below, f" AND {old}", self._there(parts), statement):
            return False
        days = len({part.partition for part in parts})
        self._metrics.add("tailrace_store_rewritten_days_total", days)
        if not await self._settled(table, most_s):
            raise StoreError(f"parts of {table} are not written anew after {most_s:.0f} s")
        return True

    async def _gone(
        self,
        parts: Sequence[Part],
        below: Below,
        where: str,
        allowed: Allowed,
        statement: str,
    ) -> bool:
        by_day: dict[str, list[Part]] = {}
        for part in parts:
            by_day.setdefault(part.partition, []).append(part)
        deletions = [
            one for some in by_day.values() for one in await self._counted(some, below, where)
        ]

        async def noted() -> bool:
            if not await allowed():
                return False
            await self._deletions.note(deletions)
            return True

        if not deletions or not await self._engine.write_if(noted, statement):
            return False
        rows = sum(one.rows for one in deletions)
        said = {"table": parts[0].table, "days": ", ".join(by_day), "rows": rows}
        _log.info("hot rows dropped", extra=said)
        self._metrics.add("tailrace_store_dropped_rows_total", rows)
        return True

    async def _counted(self, parts: Sequence[Part], below: Below, where: str) -> list[Deletion]:
        """What goes, by tenant and by the services that are kept apart."""
        table, signal, day = parts[0].table, parts[0].signal, parts[0].partition
        groups, horizons = below
        service = numbers(signal, groups)[1]
        found = await self._engine.rows(
            f"SELECT Tenant, {service} AS service, count(), "
            "toUnixTimestamp64Nano(CAST(min(Timestamp), 'DateTime64(9)')), "
            "toUnixTimestamp64Nano(CAST(max(Timestamp), 'DateTime64(9)')) "
            f"FROM {table} WHERE _part IN ({_names(parts)}){where} GROUP BY Tenant, service"
        )
        whole, size = sum(part.rows for part in parts), sum(part.bytes for part in parts)
        newest = max(part.newest for part in parts)
        deletions = []
        for tenant, number, rows, first_ns, last_ns in found:
            name = (None, *groups.services)[number]
            group = Group(tenant if tenant in groups.tenants else None, name)
            # A row that is tried again has the same horizon, one that came later has not.
            key = f"{table}/{day}/{newest}/{horizons[signal, group]}/{tenant}/{name or ''}"
            deletions.append(
                Deletion(
                    id=f"hot/{key}",
                    tenant=tenant,
                    place=Place.HOT,
                    reason=Reason.EXPIRED,
                    subject=f"{table} of {day[:4]}-{day[4:6]}-{day[6:]}",
                    rows=rows,
                    bytes=size * rows // whole,
                    signal=signal,
                    service=name or "",
                    first_ns=first_ns,
                    last_ns=last_ns,
                )
            )
        return deletions

    def _there(self, parts: Sequence[Part]) -> Allowed:
        """Whether none of the parts was merged meanwhile."""

        async def there() -> bool:
            [(count,)] = await self._engine.rows(
                "SELECT count() FROM system.parts WHERE active AND database = currentDatabase() "
                f"AND table = {sql.text(parts[0].table)} AND name IN ({_names(parts)})"
            )
            return int(count) == len(parts)

        return there

    async def _settled(self, table: str, most_s: float) -> bool:
        """Whether all parts are written anew of which rows were deleted. What fails is given up:
        the next turn sees which rows are still there."""
        wait_s, waited_s = _LOOK_S, 0.0
        while True:
            found = await self._engine.rows(
                "SELECT mutation_id, latest_fail_reason FROM system.mutations WHERE NOT is_done "
                f"AND database = currentDatabase() AND table = {sql.text(table)}"
            )
            if not found:
                return True
            for name, why in found:
                if why:
                    await self._engine.write(
                        f"KILL MUTATION WHERE table = {sql.text(table)} "
                        f"AND mutation_id = {sql.text(str(name))}"
                    )
                    raise StoreError(f"parts of {table} could not be written anew: {why}")
            if waited_s >= most_s:
                return False
            await asyncio.sleep(wait_s)
            waited_s += wait_s
            wait_s = min(wait_s * 2, _MOST_LOOK_S)


def _names(parts: Sequence[Part]) -> str:
    return ", ".join(sql.text(part.name) for part in parts)
