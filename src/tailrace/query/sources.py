"""Where rows are read from: the hot tables, the archive, or both."""

from __future__ import annotations

from typing import Protocol, TypeAlias

from tailrace.core.frame import Signal
from tailrace.query.bounds.question import asked
from tailrace.store.reach import Reach, Reached
from tailrace.store.schema import HOT_TABLES

Source: TypeAlias = Reached


class Sources(Protocol):
    """Who knows which rows are where."""

    async def source(
        self, signal: Signal, tenant: str, start_ns: int, end_ns: int, service: str = ""
    ) -> Source:
        """For the tenant's rows at event times from `start_ns` to `end_ns`, or those of one service
        of it. Raises QueryError when that is more than one query may read, and StoreError when
        files of the archive are gone."""
        ...


class HotOnly:
    """The tables that are always there."""

    async def source(
        self, signal: Signal, tenant: str, start_ns: int, end_ns: int, service: str = ""
    ) -> Source:
        return Source(HOT_TABLES[signal])


class HotAndArchive:
    """The tables as far back as they are whole, and the archive before; the archive alone for a
    question that is to be answered exactly."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    async def source(
        self, signal: Signal, tenant: str, start_ns: int, end_ns: int, service: str = ""
    ) -> Source:
        exact = bool(asked().exact)
        return await self._reach.of(signal, tenant, start_ns, end_ns, exact, service)
