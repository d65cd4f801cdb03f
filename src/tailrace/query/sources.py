"""Where rows are read from: the hot tables, the archive, or both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from tailrace.core.frame import Signal

_HOT = {Signal.LOGS: "logs", Signal.SPANS: "spans", Signal.METRICS: "samples"}


@dataclass(frozen=True)
class Source:
    """`table` stands after FROM: SQL of the store's making, which holds nothing that a query says.
    `remarks` are told beside the answer."""

    table: str
    remarks: tuple[str, ...] = ()


class Sources(Protocol):
    """Who knows which rows are where."""

    async def source(self, signal: Signal, tenant: str, start_ns: int, end_ns: int) -> Source:
        """For the tenant's rows at event times from `start_ns` to `end_ns`. Raises QueryError when
        that is more than one query may read."""
        ...


class HotOnly:
    """The tables that are always there."""

    async def source(self, signal: Signal, tenant: str, start_ns: int, end_ns: int) -> Source:
        return Source(_HOT[signal])
