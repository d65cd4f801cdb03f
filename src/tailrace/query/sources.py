"""Where rows are read from: the hot tables, the archive, or both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from tailrace.core.frame import Signal
from tailrace.query.bounds.question import asked
from tailrace.store.reach import Reach

HOT = {Signal.LOGS: "logs", Signal.SPANS: "spans", Signal.METRICS: "samples"}


@dataclass(frozen=True)
class Source:
    """`table` stands after FROM: SQL of the store's making, which holds nothing that a query says.
    `remarks` are told beside the answer. What it is made of: `archived`, a SELECT of the archive's
    rows, all of this tenant, "" where there are none of them, and the rows of the hot table from
    `hot_ns` on (UTC nanoseconds), None where there are none of those."""

    table: str
    remarks: tuple[str, ...] = ()
    archived: str = ""
    hot_ns: int | None = 0

    @property
    def hot_only(self) -> bool:
        return not self.archived and self.hot_ns == 0


class Sources(Protocol):
    """Who knows which rows are where."""

    async def source(self, signal: Signal, tenant: str, start_ns: int, end_ns: int) -> Source:
        """For the tenant's rows at event times from `start_ns` to `end_ns`. Raises QueryError when
        that is more than one query may read, and StoreError when files of the archive are gone."""
        ...


class HotOnly:
    """The tables that are always there."""

    async def source(self, signal: Signal, tenant: str, start_ns: int, end_ns: int) -> Source:
        return Source(HOT[signal])


class HotAndArchive:
    """The tables as far back as they are whole, and the archive before; the archive alone for a
    question that is to be answered exactly. The question remembers the remarks."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    async def source(self, signal: Signal, tenant: str, start_ns: int, end_ns: int) -> Source:
        question = asked()
        found = await self._reach.of(signal, tenant, start_ns, end_ns, bool(question.exact))
        question.remarks.update(dict.fromkeys(found.remarks))
        return Source(found.table, found.remarks, found.archived, found.hot_ns)
