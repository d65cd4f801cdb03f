"""Frames into one table, whole: what the engine reads otherwise than its header says goes the
slow way, and what nobody can read goes to the dead letters.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

from tailrace.core.contracts import Delivery, Queue
from tailrace.core.errors import InputError, StoreError
from tailrace.core.frame import Frame
from tailrace.core.metrics import Metrics
from tailrace.writer.batches import FrameTable, Key
from tailrace.writer.repair import readable

# The engine's numbers for a want of its own: time, disk, memory, threads. They say nothing of the
# frame, which waits. 0 is an error without a number, such as one of the disk.
ENGINE_IN_NEED = frozenset({0, 159, 74, 75, 76, 198, 202, 236, 241, 243, 246, 439})
# A frame that is refused this often, in the form that was made for the engine, is given up.
REFUSALS = 5


class Loader:
    """Shared by nobody: a reader of the queue has its own. One call at a time."""

    def __init__(self, queue: Queue, table: FrameTable, metrics: Metrics) -> None:
        self._queue = queue
        self._table = table
        self._metrics = metrics
        self._refusals: Counter[Key] = Counter()

    async def load(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Insert frames that are not in the table; gives back those that are now, as they are.

        A frame that went the slow way comes back with the rows it has. Raises StoreError, after
        which a frame may be in whole or in part, and Busy when the dead letters take no more.
        """
        if not deliveries:
            return []
        try:
            return await self._fast(deliveries)
        except StoreError:
            await self._table.remove([d.frame.header for d in deliveries])
        if len(deliveries) > 1:
            return [one for d in deliveries for one in await self.load([d])]
        return await self._again(deliveries)

    async def _fast(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        await self._table.insert([d.frame for d in deliveries])
        self._metrics.add("tailrace_writer_inserts_total")
        counts = await self._table.stored([d.frame.header for d in deliveries])
        whole, odd = list[Delivery](), list[Delivery]()
        for d in deliveries:
            (whole if counts.get(d.frame.header.key) == d.frame.header.rows else odd).append(d)
        await self._table.remove([d.frame.header for d in odd])
        return whole + await self._slow(odd)

    async def _again(self, lone: Sequence[Delivery]) -> list[Delivery]:
        """A second time, since it may have been the engine that failed and not the frame."""
        try:
            return await self._fast(lone)
        except StoreError:
            await self._table.remove([d.frame.header for d in lone])
        return await self._slow(lone)

    async def _slow(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        stored: list[Delivery] = []
        for delivery in deliveries:
            try:
                frame = await asyncio.to_thread(readable, delivery.frame)
            except InputError as error:
                await self._queue.bury(delivery.frame, f"unreadable: {error.reason}")
                continue
            if await self._repaired(delivery.frame, frame):
                stored.append(Delivery(frame, delivery.after, delivery.frame.header.rows))
        return stored

    async def _repaired(self, sent: Frame, frame: Frame) -> bool:
        """Insert what the slow way made of a frame; False when it is a dead letter now."""
        try:
            await self._table.insert([frame])
        except StoreError as error:
            await self._table.remove([frame.header])
            self._refusals[sent.header.key] += 1
            if error.code in ENGINE_IN_NEED or self._refusals[sent.header.key] < REFUSALS:
                raise
            await self._queue.bury(sent, f"refused: engine error {error.code}")
            del self._refusals[sent.header.key]
            return False
        if await self._table.stored([frame.header]) != {frame.header.key: frame.header.rows}:
            raise StoreError("a repaired frame was not stored whole; it will be tried again")
        self._metrics.add("tailrace_writer_repaired_total")
        self._refusals.pop(sent.header.key, None)
        return True
