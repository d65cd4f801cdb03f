"""The hot lane's writer: frames from the queue into the table, exactly once as a query sees it.

For each batch: leave out what is recorded, insert, count, record, commit the position. A crash
at any point repeats the batch, and the counts tell what is already there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tailrace.core import limits, log
from tailrace.core.clock import Clock
from tailrace.core.contracts import Consumer, Delivery, Position, Queue
from tailrace.core.errors import InputError, StoreError
from tailrace.core.metrics import Metrics
from tailrace.writer.batches import FrameTable, Known, missing
from tailrace.writer.repair import readable

_log = log.get("writer")
RETRY_S = (0.2, 0.5, 1.0, 2.0, 5.0)


class Writer:
    """Runs until `stop`. `caught_up` is told the position after each commit."""

    def __init__(
        self, queue: Queue, consumer: Consumer, table: FrameTable, clock: Clock, metrics: Metrics
    ) -> None:
        self._queue = queue
        self._consumer = consumer
        self._table = table
        self._clock = clock
        self._metrics = metrics
        self._known = Known(table)
        self._doubtful_bytes = limits.INSERT_BYTES
        self._stopping = asyncio.Event()

    @property
    def committed(self) -> Position:
        """Everything before this place is in the table."""
        return self._consumer.committed

    async def run(self) -> None:
        """Store batches until `stop` was called and the queue is read to its end."""
        failures = 0
        while True:
            wait_s = 0.0 if self._stopping.is_set() else limits.INSERT_WAIT_S
            deliveries = await self._gather(wait_s)
            if not deliveries and self._stopping.is_set():
                return
            try:
                await self._store(deliveries)
                failures = 0
            except StoreError as error:
                _log.error("insert failed", extra={"error": str(error)})
                self._metrics.add("tailrace_writer_failures_total")
                self._doubtful_bytes = limits.INSERT_BYTES
                await self._consumer.rewind()
                await asyncio.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)])
                failures += 1

    def stop(self) -> None:
        """Finish what is in the queue, then return from `run`."""
        self._stopping.set()

    async def _gather(self, wait_s: float) -> list[Delivery]:
        """Frames up to INSERT_BYTES, waiting for company at most `wait_s` after the first."""
        deliveries = await self._consumer.read(limits.INSERT_BYTES, wait_s)
        if not deliveries:
            return []
        size = sum(d.frame.header.bytes for d in deliveries)
        until = self._clock.monotonic_s() + wait_s
        while size < limits.INSERT_BYTES and (left := until - self._clock.monotonic_s()) > 0:
            more = await self._consumer.read(limits.INSERT_BYTES - size, left)
            size += sum(d.frame.header.bytes for d in more)
            deliveries += more
        return deliveries

    async def _store(self, deliveries: list[Delivery]) -> None:
        if deliveries:
            fresh = await self._known.fresh(deliveries)
            duplicates = len(deliveries) - len(fresh)
            todo = fresh
            if self._doubtful_bytes > 0:
                todo = await missing(self._table, fresh)
                self._doubtful_bytes -= sum(d.frame.header.bytes for d in deliveries)
            recorded = await self._insert(todo)
            done = [d for d in fresh if d not in todo] + recorded
            await self._table.remember(done)
            self._known.note(done)
            self._count(done, duplicates)
        if self._consumer.position > self._consumer.committed:
            await self._consumer.commit(self._consumer.position)

    async def _insert(self, deliveries: list[Delivery]) -> list[Delivery]:
        """Insert, count, and give the frames that came out otherwise the slow way."""
        if not deliveries:
            return []
        try:
            await self._table.insert([d.frame for d in deliveries])
            self._metrics.add("tailrace_writer_inserts_total")
        except StoreError:
            if len(deliveries) == 1:
                await self._table.remove([deliveries[0].frame.header])
                return await self._slow(deliveries)
            await self._table.remove([d.frame.header for d in deliveries])
            return [one for d in deliveries for one in await self._insert([d])]
        counts = await self._table.stored([d.frame.header for d in deliveries])
        odd = [d for d in deliveries if counts.get(d.frame.header.key) != d.frame.header.rows]
        await self._table.remove([d.frame.header for d in odd])
        return [d for d in deliveries if d not in odd] + await self._slow(odd)

    async def _slow(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        stored: list[Delivery] = []
        for delivery in deliveries:
            try:
                frame = await asyncio.to_thread(readable, delivery.frame)
            except InputError as error:
                await self._queue.bury(delivery.frame, f"unreadable: {error.reason}")
                continue
            await self._table.insert([frame])
            if await self._table.stored([frame.header]) != {frame.header.key: frame.header.rows}:
                raise StoreError("a repaired frame was not stored whole; it will be tried again")
            self._metrics.add("tailrace_writer_repaired_total")
            stored.append(Delivery(frame, delivery.after))
        return stored

    def _count(self, deliveries: Sequence[Delivery], duplicates: int) -> None:
        self._metrics.add("tailrace_writer_frames_total", len(deliveries))
        self._metrics.add(
            "tailrace_writer_rows_total", sum(d.frame.header.rows for d in deliveries)
        )
        if duplicates:
            self._metrics.add("tailrace_writer_duplicates_total", duplicates)
        if deliveries:
            oldest = min(d.frame.header.received_ns for d in deliveries)
            self._metrics.set(
                "tailrace_writer_lag_seconds", max(0.0, (self._clock.wall_ns() - oldest) / 1e9)
            )
