"""The tables of one lane: each frame goes to the table of its signal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from tailrace.core.contracts import Changes, Delivery, Recorded
from tailrace.core.frame import Frame, Header, Signal
from tailrace.store.engine import Engine
from tailrace.store.logs import Key, LogTable
from tailrace.store.samples import SampleTable
from tailrace.store.spans import SpanTable

_T = TypeVar("_T")


class Tables:
    """What `LogTable` promises, for frames of any signal.

    The tables of a lane share the record of frames, in which a key stands once.
    """

    def __init__(self, by_signal: Mapping[Signal, LogTable]) -> None:
        self._by_signal = by_signal
        self._record = by_signal[Signal.LOGS]

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

    async def remember(
        self,
        deliveries: Sequence[Delivery],
        twice: Sequence[Delivery] = (),
        dead: Sequence[Delivery] = (),
    ) -> None:
        await self._record.remember(deliveries, twice, dead)

    async def remembered(self, headers: Sequence[Header]) -> dict[Key, Recorded]:
        return await self._record.remembered(headers)

    async def newest(self, header: Header) -> int:
        return await self._record.newest(header)

    async def clear(self) -> None:
        for table in self._by_signal.values():
            await table.clear()

    def _parted(
        self, items: Sequence[_T], header: Callable[[_T], Header]
    ) -> Iterator[tuple[LogTable, list[_T]]]:
        """The items of each table that has any."""
        for signal, table in self._by_signal.items():
            some = [item for item in items if header(item).signal is signal]
            if some:
                yield table, some


def hot_tables(engine: Engine, scratch: Path, changes: Changes | None = None) -> Tables:
    """What queries read; `changes` hears of it."""
    return Tables({
        Signal.LOGS: LogTable(engine, "logs", "hot", scratch, changes),
        Signal.SPANS: SpanTable(engine, "spans", "hot", scratch, changes),
        Signal.METRICS: SampleTable(engine, "samples", "hot", scratch, "exemplars", changes),
    })  # fmt: skip


def bulk_tables(engine: Engine, scratch: Path) -> Tables:
    """Rows of bulk-only frames on their way to the archive, which takes no exemplars."""
    return Tables({
        Signal.LOGS: LogTable(engine, "bulk_rows", "bulk", scratch),
        Signal.SPANS: SpanTable(engine, "bulk_spans", "bulk", scratch),
        Signal.METRICS: SampleTable(engine, "bulk_samples", "bulk", scratch),
    })  # fmt: skip
