"""The bulk lane's reader: frames from the queue into the archive, off the fast path.

Works in large steps. A step is recorded in the manifest with the place in the queue it reaches;
after a crash the frames before that place are skipped, and the files of a step that was not
recorded are deleted when the archive opens.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from tailrace.core import limits, log
from tailrace.core.clock import Clock
from tailrace.core.contracts import Consumer, Delivery, Position, Queue
from tailrace.core.errors import Busy, StoreError
from tailrace.core.frame import Header, Lane
from tailrace.core.metrics import Metrics
from tailrace.writer.batches import FrameTable, Known, left_of
from tailrace.writer.loader import Loader

_log = log.get("archiver")
RETRY_S = 1.0
# Frames that are looked at before others have their turn on the event loop: a few milliseconds.
_AT_ONCE = 1_000


class ArchiveFiles(Protocol):
    """What the archiver needs of the archive; see `store.archive.Archive`."""

    async def step(
        self, hot: Sequence[Header], bulk: Sequence[Header], upto: Position
    ) -> tuple[int, int, int]:
        """Write and record; rows, files and bytes."""
        ...

    @property
    def upto(self) -> Position: ...


class Archiver:
    """Runs until `stop`. `hot_committed` tells how far the hot writer is."""

    def __init__(
        self,
        queue: Queue,
        consumer: Consumer,
        hot: FrameTable,
        bulk: FrameTable,
        archive: ArchiveFiles,
        hot_committed: Callable[[], Position],
        clock: Clock,
        metrics: Metrics,
        step_wait_s: float = limits.ARCHIVE_WAIT_S,
    ) -> None:
        self._consumer = consumer
        self._hot = hot
        self._bulk = bulk
        self._known = Known(bulk)
        self._loader = Loader(queue, bulk, metrics)
        self._archive = archive
        self._hot_committed = hot_committed
        self._clock = clock
        self._metrics = metrics
        self._step_wait_s = step_wait_s
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Archive steps until `stop` was called and the queue is read to its end."""
        while True:
            try:
                if not await self._step() and self._stopping.is_set():
                    return
            except (StoreError, Busy, OSError) as error:
                _log.error("archive step failed", extra={"error": str(error)})
                self._metrics.add("tailrace_writer_failures_total", label="archive")
                await self._consumer.rewind()
                await asyncio.sleep(RETRY_S)

    def stop(self) -> None:
        """Finish what is in the queue, then return from `run`."""
        self._stopping.set()

    async def _step(self) -> bool:
        """One step; False when there was nothing to read."""
        deliveries = await self._gather()
        upto = self._consumer.position
        done = [d for d in deliveries if d.after <= self._archive.upto]
        todo = deliveries[len(done) :]
        if repeated := _of_bulk(done):  # of a step that was recorded and then cut short
            await self._remember_again(repeated)
            await self._bulk.clear()
        if todo:
            await self._hot_written(upto)
            await self._write(todo, upto)
        if upto > self._consumer.committed:
            await self._consumer.commit(upto)
        return bool(deliveries)

    async def _gather(self) -> list[Delivery]:
        deliveries: list[Delivery] = []
        size = 0
        until = self._clock.monotonic_s() + self._step_wait_s
        while size < limits.ARCHIVE_BYTES:
            left = until - self._clock.monotonic_s()
            if left <= 0 and deliveries:
                break
            wait_s = 0.0 if self._stopping.is_set() else min(max(left, 0.2), 1.0)
            more = await self._consumer.read(limits.ARCHIVE_BYTES - size, wait_s)
            if not more and (self._stopping.is_set() or not deliveries):
                break
            size += sum(d.frame.header.bytes for d in more)
            # Headers are all that a step needs of the frames the hot writer decodes.
            deliveries += [_without_payload(d) for d in more]
        return deliveries

    async def _hot_written(self, upto: Position) -> None:
        """Wait until the hot writer, a neighbour that knows nothing of us, has come this far."""
        while self._hot_committed() < upto:  # noqa: ASYNC110
            await asyncio.sleep(0.1)

    async def _write(self, deliveries: Sequence[Delivery], upto: Position) -> None:
        hot: list[Header] = []
        late: list[Delivery] = []
        twice: list[Delivery] = []
        for start in range(0, len(deliveries), _AT_ONCE):
            stored, bulk, again = await self._apart(deliveries[start : start + _AT_ONCE])
            hot += stored
            late += bulk
            twice += again
        await self._bulk.clear()
        fresh, again = await self._known.parted(late)
        bulk = await self._loader.load(fresh)
        headers = [d.frame.header for d in bulk]
        rows, files, size = await self._archive.step(hot, headers, upto)
        await self._remember(bulk, [*twice, *again], left_of(fresh, bulk))
        await self._bulk.clear()
        self._metrics.add("tailrace_archive_rows_total", rows)
        self._metrics.add("tailrace_archive_files_total", files)
        self._metrics.add("tailrace_archive_bytes_total", size)

    async def _apart(
        self, deliveries: Sequence[Delivery]
    ) -> tuple[list[Header], list[Delivery], list[Delivery]]:
        """Headers of those that are archived from the hot table, those that never were there, and
        those that one of the lanes has archived before.

        A frame that was diverted once, and was within its limits when it was sent another time, is
        in both lanes.
        """
        both = [d for d in deliveries if d.frame.header.lane is Lane.BOTH]
        late = _of_bulk(deliveries)
        fresh = {d.frame.header.key for d in await self._known.fresh(both)}
        recorded = await self._hot.remembered([d.frame.header for d in (*both, *late)])
        # A frame that was sent twice is archived where it was stored first: each has a time of
        # ingest of its own, by which its rows are found.
        hot: list[Header] = []
        twice = [d for d in late if d.frame.header.key in recorded]
        for d in both:
            found = recorded.get(d.frame.header.key)
            if found is None or found.after != d.after:
                continue
            if d.frame.header.key in fresh:
                hot.append(msgspec.structs.replace(d.frame.header, rows=found.rows))
            else:
                twice.append(d)
        return hot, [d for d in late if d.frame.header.key not in recorded], twice

    async def _remember(
        self,
        archived: Sequence[Delivery],
        twice: Sequence[Delivery] = (),
        dead: Sequence[Delivery] = (),
    ) -> None:
        """Record what became of frames of the bulk lane."""
        await self._bulk.remember(archived, twice, dead)
        self._known.note(archived)

    async def _remember_again(self, deliveries: Sequence[Delivery]) -> None:
        """The same after a crash, for frames of a step that is in the manifest: its table still
        holds what it archived."""
        fresh, twice = await self._known.parted(deliveries)
        headers = [d.frame.header for d in fresh]
        there = await self._bulk.stored(headers)
        recorded = await self._hot.remembered(headers)
        archived, dead = list[Delivery](), list[Delivery]()
        for d in fresh:
            rows = there.get(d.frame.header.key)
            if rows is not None:
                header = msgspec.structs.replace(d.frame.header, rows=rows)
                frame = type(d.frame)(header, d.frame.payload)
                archived.append(Delivery(frame, d.after, d.frame.header.rows))
            else:
                (twice if d.frame.header.key in recorded else dead).append(d)
        await self._remember(archived, twice, dead)


def _of_bulk(deliveries: Sequence[Delivery]) -> list[Delivery]:
    return [d for d in deliveries if d.frame.header.lane is Lane.BULK]


def _without_payload(delivery: Delivery) -> Delivery:
    if delivery.frame.header.lane is Lane.BULK:
        return delivery
    header = delivery.frame.header
    return Delivery(type(delivery.frame)(header, b""), delivery.after)
