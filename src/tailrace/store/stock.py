"""What the hot tables hold, part by part.

A part never changes: what is made of some of them has another name. When rows are deleted from one
part, all others of the table get another name, too, and stay what they were. So what a part holds
of each group is asked for once, and remembered while there is one with its inserts and rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from tailrace.core.frame import Signal
from tailrace.store import schema, sql
from tailrace.store.engine import Engine
from tailrace.store.keep import REST, Group, Groups, Held, Targets

# Exemplars stay as long as the samples of their tenant.
TABLES: Mapping[str, Signal] = {
    **{table: signal for signal, table in schema.HOT_TABLES.items()},
    "exemplars": Signal.METRICS,
}


_Content = tuple[str, int, int, int]


class Part(NamedTuple):
    """`partition`: its day, YYYYMMDD. `newest`: the number of its last insert."""

    table: str
    name: str
    partition: str
    oldest: int
    newest: int
    rows: int
    bytes: int

    @property
    def signal(self) -> Signal:
        return TABLES[self.table]

    @property
    def content(self) -> _Content:
        """The same for parts that hold the same rows."""
        return self.table, self.oldest, self.newest, self.rows

    @property
    def day_ns(self) -> int:
        """When the day begins, UTC nanoseconds."""
        day = datetime.strptime(self.partition, "%Y%m%d").replace(tzinfo=UTC)
        return int(day.timestamp()) * 10**9


class Rows(NamedTuple):
    """Of one group in a part: how many, and the first and the last event time."""

    group: Group
    rows: int
    first_ns: int
    last_ns: int


class Stock:
    """Over the tables of an engine, for rows that are kept apart by `groups`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._groups = Groups()
        self._known: dict[_Content, list[Rows]] = {}

    async def parts(self) -> list[Part]:
        """Those that are there now. Raises StoreError."""
        found = await self._engine.rows(
            "SELECT table, name, partition_id, min_block_number, max_block_number, rows, "
            "bytes_on_disk FROM system.parts WHERE active AND database = currentDatabase() "
            f"AND rows > 0 AND table IN ({', '.join(map(sql.text, TABLES))}) "
            "ORDER BY table, partition_id, name"
        )
        return [Part(*row) for row in found]

    async def rows(self, parts: Sequence[Part], groups: Groups) -> Mapping[Part, list[Rows]]:
        """What each of them holds; a part that is gone meanwhile has nothing. Raises StoreError."""
        if groups != self._groups:
            self._groups = groups
            self._known.clear()
        new = defaultdict(list)
        for part in parts:
            if part.content not in self._known:
                new[part.table].append(part)
        for table, some in new.items():
            await self._look(table, some)
        return {part: self._known[part.content] for part in parts}

    def forget(self, but: Iterable[Part]) -> None:
        """What is known of parts that are no more."""
        left = {part.content for part in but}
        self._known = {key: rows for key, rows in self._known.items() if key in left}

    async def _look(self, table: str, parts: Sequence[Part]) -> None:
        tenant, service = numbers(TABLES[table], self._groups)
        found = await self._engine.rows(
            f"SELECT _part, {tenant} AS tenant, {service} AS service, count(), "
            "toUnixTimestamp64Nano(CAST(min(Timestamp), 'DateTime64(9)')), "
            "toUnixTimestamp64Nano(CAST(max(Timestamp), 'DateTime64(9)')) "
            f"FROM {table} WHERE _part IN ({', '.join(sql.text(part.name) for part in parts)}) "
            "GROUP BY _part, tenant, service"
        )
        by_name = {part.name: part.content for part in parts}
        self._known |= {content: [] for content in by_name.values()}
        tenants, services = (None, *self._groups.tenants), (None, *self._groups.services)
        for name, whose, which, rows, first_ns, last_ns in found:
            group = Group(tenants[whose], services[which])
            self._known[by_name[name]].append(Rows(group, rows, first_ns, last_ns))

    async def held(self, parts: Sequence[Part], groups: Groups) -> list[Held]:
        """Bytes by group and day. A part's are shared out by its rows, so of groups they are an
        estimate; all together are what the parts take. Raises StoreError."""
        if groups == Groups():
            return [Held(part.signal, REST, part.day_ns, part.bytes) for part in parts]
        found = await self.rows(parts, groups)
        return [
            Held(part.signal, one.group, part.day_ns, part.bytes * one.rows // part.rows)
            for part, rows in found.items()
            for one in rows
        ]


def numbers(signal: Signal, groups: Groups) -> tuple[str, str]:
    """SQL for the place of a row's tenant and service among the names of `groups`, from 1; 0 for
    one that has none."""
    services = () if signal is Signal.METRICS else groups.services
    return _number("Tenant", groups.tenants), _number("ServiceName", services)


def _number(column: str, names: Sequence[str]) -> str:
    if not names:
        return "0"
    places = ",".join(f"toUInt16({place})" for place in range(1, len(names) + 1))
    return f"transform({column}, {sql.array(map(sql.text, names))}, [{places}], toUInt16(0))"


def older(signal: Signal, groups: Groups, horizons: Targets) -> str:
    """SQL: whether a row is before the horizon of its group. "" when all horizons are 0."""
    tenants = {name: place for place, name in enumerate((None, *groups.tenants))}
    services = {name: place for place, name in enumerate((None, *groups.services))}
    by_time = defaultdict(list)
    for group in groups.all(signal):
        by_time[horizons[signal, group]].append((tenants[group.tenant], services[group.service]))
    by_time.pop(0, None)
    tenant, service = numbers(signal, groups)
    terms = []
    for time_ns, some in by_time.items():
        who = f"({tenant}, {service}) IN ({', '.join(map(str, some))}) AND "
        terms.append(f"({who if groups != Groups() else ''}Timestamp < {sql.moment(time_ns)})")
    return f"({' OR '.join(terms)})" if terms else ""
