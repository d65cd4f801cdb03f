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
from tailrace.core.errors import Busy, StoreError
from tailrace.core.metrics import Metrics
from tailrace.writer.batches import FrameTable, Known, left_of, missing
from tailrace.writer.loader import Loader

_log = log.get("writer")
RETRY_S = (0.2, 0.5, 1.0, 2.0, 5.0)


class Writer:
    """Runs until `stop`."""

    def __init__(
        self, queue: Queue, consumer: Consumer, table: FrameTable, clock: Clock, metrics: Metrics
    ) -> None:
        self._consumer = consumer
        self._table = table
        self._loader = Loader(queue, table, metrics)
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
            stopping = self._stopping.is_set()
            try:
                deliveries = await self._gather(0.0 if stopping else limits.INSERT_WAIT_S)
                await self._store(deliveries)
                failures = 0
                if stopping and not deliveries:
                    return
            except (StoreError, Busy, OSError) as error:
                _log.error("batch not stored; trying again", extra={"error": str(error)})
                self._metrics.add("tailrace_writer_failures_total")
                self._doubtful_bytes = limits.INSERT_BYTES
                await self._consumer.rewind()
                await asyncio.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)])
                failures += 1

    def stop(self) -> None:
        """Finish what is in the queue, then return from `run`."""
        self._stopping.set()

    async def _gather(self, wait_s: float) -> list[Delivery]:
        """Frames up to INSERT_BYTES, waiting for company at most `wait_s` after the first, and no
        longer once somebody waits for these."""
        deliveries = await self._consumer.read(limits.INSERT_BYTES, wait_s)
        if not deliveries:
            return []
        size = sum(d.frame.header.bytes for d in deliveries)
        until = self._clock.monotonic_s() + wait_s
        while size < limits.INSERT_BYTES and (left := until - self._clock.monotonic_s()) > 0:
            if self._consumer.awaited:
                break
            more = await self._consumer.read(limits.INSERT_BYTES - size, left)
            size += sum(d.frame.header.bytes for d in more)
            deliveries += more
        return deliveries

    async def _store(self, deliveries: list[Delivery]) -> None:
        if deliveries:
            fresh, twice = await self._known.parted(deliveries)
            todo, there = fresh, list[Delivery]()
            if self._doubtful_bytes > 0:
                todo = await missing(self._table, fresh)
                there = left_of(fresh, todo)
                self._doubtful_bytes -= sum(d.frame.header.bytes for d in deliveries)
            done = there + await self._loader.load(todo)
            await self._table.remember(done, twice, left_of(fresh, done))
            self._known.note(done)
            self._count(done, len(twice))
        if self._consumer.position > self._consumer.committed:
            await self._consumer.commit(self._consumer.position)

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
