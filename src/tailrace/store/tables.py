"""The tables of one lane: each frame goes to the table of its signal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from tailrace.core.contracts import Delivery, Recorded
from tailrace.core.frame import Frame, Header, Signal
from tailrace.store.engine import Engine
from tailrace.store.logs import Key, LogTable
from tailrace.store.samples import SampleTable

_T = TypeVar("_T")


class Tables:
    """What `LogTable` promises, for frames of any signal: logs, and samples of metrics.

    Both tables of a lane share the record of frames, in which a key stands once.
    """

    def __init__(self, logs: LogTable, samples: SampleTable) -> None:
        self._logs = logs
        self._samples = samples

    async def insert(self, frames: Sequence[Frame]) -> None:
        for table, some in self._parted(frames, lambda frame: frame.header):
            await table.insert(some)

    async def stored(self, headers: Sequence[Header]) -> dict[Key, int]:
        found: dict[Key, int] = {}
        for table, some in self._parted(headers, lambda header: header):
            found |= await table.stored(some)
        return found

    async def remove(self, headers: Sequence[Header]) -> None:
        for table, some in self._parted(headers, lambda header: header):
            await table.remove(some)

    async def remember(self, deliveries: Sequence[Delivery]) -> None:
        await self._logs.remember(deliveries)

    async def remembered(self, headers: Sequence[Header]) -> dict[Key, Recorded]:
        return await self._logs.remembered(headers)

    async def newest(self, header: Header) -> int:
        return await self._logs.newest(header)

    async def clear(self) -> None:
        for table in (self._logs, self._samples):
            await table.clear()

    def _parted(
        self, items: Sequence[_T], header: Callable[[_T], Header]
    ) -> list[tuple[LogTable, list[_T]]]:
        """The items of each table that has any."""
        samples = [item for item in items if header(item).signal is Signal.METRICS]
        others = [item for item in items if header(item).signal is not Signal.METRICS]
        parts: list[tuple[LogTable, list[_T]]] = [(self._logs, others), (self._samples, samples)]
        return [(table, some) for table, some in parts if some]


def hot_tables(engine: Engine, scratch: Path) -> Tables:
    """What queries read."""
    return Tables(
        LogTable(engine, "logs", "hot", scratch), SampleTable(engine, "samples", "hot", scratch)
    )


def bulk_tables(engine: Engine, scratch: Path) -> Tables:
    """Rows of bulk-only frames on their way to the archive."""
    return Tables(
        LogTable(engine, "bulk_rows", "bulk", scratch),
        SampleTable(engine, "bulk_samples", "bulk", scratch),
    )
