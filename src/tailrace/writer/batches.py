"""What of a batch still has to be stored: the writer's idea of exactly once.

A frame is in the table whole, in part, or not at all, and the count of its rows tells which.
Counting every frame of every batch would cost a scan, so it is done where a doubt exists: after
a start (the insert that a crash cut short lies within the first INSERT_BYTES after the committed
position) and after a failed insert. In between, the record of frames answers, and only for a
frame whose number is not above all that its source has sent before.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from tailrace.core import limits
from tailrace.core.contracts import Delivery, Recorded
from tailrace.core.frame import Frame, Header

Key = tuple[str, str, int, int]


class FrameTable(Protocol):
    """What the writer needs of a table; see `store.logs.LogTable` for the promises."""

    async def insert(self, frames: Sequence[Frame]) -> None: ...

    async def stored(self, headers: Sequence[Header]) -> dict[Key, int]: ...

    async def remove(self, headers: Sequence[Header]) -> None: ...

    async def remember(
        self,
        deliveries: Sequence[Delivery],
        twice: Sequence[Delivery] = (),
        dead: Sequence[Delivery] = (),
    ) -> None: ...

    async def remembered(self, headers: Sequence[Header]) -> dict[Key, Recorded]: ...

    async def newest(self, header: Header) -> int: ...

    async def clear(self) -> None: ...


class Parted(NamedTuple):
    """Deliveries whose frame is not recorded, of equal frames the first; and those whose frame is
    recorded from another place of the queue, or stands before them."""

    fresh: list[Delivery]
    twice: list[Delivery]


class Known:
    """Which frames the record of frames already has."""

    def __init__(self, table: FrameTable) -> None:
        self._table = table
        self._newest: OrderedDict[tuple[str, str, int], int] = OrderedDict()

    async def fresh(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """The deliveries whose frame is not recorded; of equal frames, the first."""
        return (await self.parted(deliveries)).fresh

    async def parted(self, deliveries: Sequence[Delivery]) -> Parted:
        """What is fresh, and what came twice. What was handled before a crash is neither."""
        doubtful: list[Header] = []
        seen: set[Key] = set()
        candidates: list[Delivery] = []
        twice: list[Delivery] = []
        for delivery in deliveries:
            header = delivery.frame.header
            if header.key in seen:
                twice.append(delivery)
                continue
            seen.add(header.key)
            candidates.append(delivery)
            if header.seq <= await self._highest(header):
                doubtful.append(header)
        recorded = await self._table.remembered(doubtful)
        fresh: list[Delivery] = []
        for delivery in candidates:
            found = recorded.get(delivery.frame.header.key)
            if found is None:
                fresh.append(delivery)
            elif found.after != delivery.after:
                twice.append(delivery)
        return Parted(fresh, twice)

    async def _highest(self, header: Header) -> int:
        source = (header.tenant, header.source, header.epoch)
        if source not in self._newest:
            self._newest[source] = await self._table.newest(header)
            if len(self._newest) > limits.SOURCES_REMEMBERED:
                self._newest.popitem(last=False)
        self._newest.move_to_end(source)
        return self._newest[source]

    def note(self, deliveries: Sequence[Delivery]) -> None:
        """These frames are recorded now."""
        for delivery in deliveries:
            header = delivery.frame.header
            source = (header.tenant, header.source, header.epoch)
            # Of a source that was forgotten meanwhile the table knows more than this batch.
            if source in self._newest:
                self._newest[source] = max(header.seq, self._newest[source])


def left_of(deliveries: Sequence[Delivery], done: Sequence[Delivery]) -> list[Delivery]:
    """Those whose frame is not among the done."""
    keys = {delivery.frame.header.key for delivery in done}
    return [d for d in deliveries if d.frame.header.key not in keys]


async def missing(table: FrameTable, deliveries: Sequence[Delivery]) -> list[Delivery]:
    """The deliveries with no row in the table, after taking out those stored in part."""
    headers = [delivery.frame.header for delivery in deliveries]
    counts = await table.stored(headers)
    partial = [h for h in headers if h.key in counts and counts[h.key] != h.rows]
    await table.remove(partial)
    whole = {h.key for h in headers if counts.get(h.key) == h.rows}
    return [d for d in deliveries if d.frame.header.key not in whole]
