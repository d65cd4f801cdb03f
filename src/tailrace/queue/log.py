"""The embedded queue: a log of append-only segments in one directory.

    QUEUE/NNNNNNNNNNNN.seg   records (record.py), numbered from 1
    QUEUE/NAME.position      how far a consumer has come (consumer.py)
    QUEUE/dead/*.seg         frames that can never be processed

An accept returns after its records are synced; accepts that arrive while a sync runs share the
next one. A write or sync that fails is never tried again on the same file: the kernel may have
dropped the pages and marked them clean. That segment is cut to its synced length and closed, the
accept is answered Busy, and the next one starts a new segment.
Bounded by bytes: at the bound, and below the disk reserve, accept is Busy. Nothing is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar, TypeVarTuple

from tailrace.core import limits, log
from tailrace.core.clock import Clock
from tailrace.core.contracts import Position, Receipt
from tailrace.core.errors import Busy
from tailrace.core.frame import Frame, Lane
from tailrace.core.metrics import Metrics
from tailrace.queue import record, segment
from tailrace.queue.consumer import SegmentConsumer
from tailrace.queue.dead import DeadLetters
from tailrace.queue.files import FileSystem

_log = log.get("queue")
A = TypeVarTuple("A")
T = TypeVar("T")
FULL_RETRY_S = 2.0
FAULT_RETRY_S = 1.0
_Waiting = tuple[bytes, "asyncio.Future[None]"]


class SegmentLog:
    """A `Queue` on local disk. `open` first; one process owns a directory."""

    def __init__(
        self,
        directory: Path,
        files: FileSystem,
        clock: Clock,
        metrics: Metrics,
        *,
        consumers: frozenset[str],
        segment_bytes: int = limits.SEGMENT_BYTES,
        queue_bytes: int = limits.QUEUE_BYTES,
        dead_letter_bytes: int = limits.DEAD_LETTER_BYTES,
        disk_reserve_bytes: int = limits.DISK_RESERVE_BYTES,
    ) -> None:
        self._directory = directory
        self._files = files
        self._clock = clock
        self._metrics = metrics
        self._names = consumers
        self._segment_bytes = segment_bytes
        self._queue_bytes = queue_bytes
        self._reserve_bytes = disk_reserve_bytes
        self._dead = DeadLetters(directory / "dead", files, metrics, dead_letter_bytes)
        self._durable: dict[int, int] = {}  # segment number -> synced bytes
        self._active = 0  # 0: the next append starts a segment
        self._next = 1
        self._waiting: list[_Waiting] = []
        self._waiting_bytes = 0
        self._committer: asyncio.Task[None] | None = None
        self._grown = asyncio.Condition()
        self._consumers: dict[str, SegmentConsumer] = {}
        self._disk = ThreadPoolExecutor(1, "queue-write")

    async def open(self) -> None:
        """Find the segments, cut the torn tail of the last one, read the positions."""
        await self._on_disk(self._recover)
        self._consumers = {
            name: SegmentConsumer(self, name, self._directory, self._files, self._metrics)
            for name in self._names
        }
        for consumer in self._consumers.values():
            await asyncio.to_thread(consumer.load)

    def _recover(self) -> None:
        self._files.make_directory(self._directory)
        self._dead.open()
        names = [n for n in self._files.names(self._directory) if n.endswith(segment.SUFFIX)]
        numbers = sorted(int(name.removesuffix(segment.SUFFIX)) for name in names)
        for number in numbers:
            path = segment.path_of(self._directory, number)
            size = self._files.size(path)
            if number == numbers[-1]:
                whole = segment.whole_bytes(self._files, path)
                if whole < size:
                    self._files.truncate(path, whole)
                size = whole
                # Bytes read from the page cache are only durable once they are synced.
                self._files.sync(path)
            self._durable[number] = size
        self._next = numbers[-1] + 1 if numbers else 1

    async def accept(self, frames: Sequence[Frame]) -> Receipt:
        """Append, sync, return. Raises Busy when full, out of space or the disk fails."""
        data = b"".join(record.encode(frame) for frame in frames)
        if self.size_bytes + self._waiting_bytes + len(data) > self._queue_bytes:
            self._metrics.add("tailrace_queue_busy_total", label="full")
            raise Busy("the queue is full; send again later", FULL_RETRY_S)
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((data, done))
        self._waiting_bytes += len(data)
        if self._committer is None:
            self._committer = asyncio.create_task(self._commit_waiting())
        await done
        for frame in frames:
            self._metrics.add("tailrace_queue_frames_total", label=frame.header.lane.value)
        return Receipt(len(frames), sum(frame.header.rows for frame in frames))

    async def _commit_waiting(self) -> None:
        """Sync what waits, in groups, until nothing waits."""
        while self._waiting:
            group, self._waiting = self._waiting, []
            error: Exception | None = None
            try:
                await self._on_disk(self._append, b"".join(data for data, _ in group))
            except OSError as fault:
                _log.error("append failed", extra={"error": fault.strerror or "unknown"})
                self._metrics.add("tailrace_queue_busy_total", label="disk")
                error = Busy("the disk refused the write; send again later", FAULT_RETRY_S)
            except Busy as fault:
                self._metrics.add("tailrace_queue_busy_total", label="disk")
                error = fault
            self._waiting_bytes -= sum(len(data) for data, _ in group)
            for _, done in group:
                if done.cancelled():
                    continue
                if error:
                    done.set_exception(error)
                else:
                    done.set_result(None)
            self._metrics.add("tailrace_queue_syncs_total")
            self._metrics.set("tailrace_queue_bytes", self.size_bytes)
            async with self._grown:
                self._grown.notify_all()
        self._committer = None

    def _append(self, data: bytes) -> None:
        if self._files.free_bytes(self._directory) < self._reserve_bytes + len(data):
            raise Busy("the disk is nearly full; send again later", FULL_RETRY_S)
        if self._active == 0 or self._durable[self._active] >= self._segment_bytes:
            self._start_segment()
        path = segment.path_of(self._directory, self._active)
        try:
            self._files.append(path, data)
            self._files.sync(path)
        except OSError:
            number, self._active = self._active, 0
            with contextlib.suppress(OSError):
                self._files.truncate(path, self._durable[number])
            raise
        self._durable[self._active] += len(data)

    def _start_segment(self) -> None:
        number = self._next
        self._next += 1
        self._active = 0
        self._files.create(segment.path_of(self._directory, number))
        self._durable[number] = 0
        self._active = number

    @property
    def size_bytes(self) -> int:
        """Bytes of all segments."""
        return sum(self._durable.values())

    def ready(self) -> bool:
        """Whether an accept has room."""
        return self.size_bytes + self._waiting_bytes < self._queue_bytes

    def consumer(self, name: str, lanes: frozenset[Lane]) -> SegmentConsumer:
        """The reader `name`, one of those given at the start."""
        consumer = self._consumers[name]
        consumer.lanes = lanes
        return consumer

    async def bury(self, frame: Frame, reason: str) -> None:
        """Keep a frame among the dead letters. Raises Busy when they are full."""
        await self._on_disk(self._dead.add, frame, reason)

    async def close(self, deadline_s: float) -> None:
        """Finish the sync that runs."""
        if self._committer:
            await asyncio.wait({self._committer}, timeout=deadline_s)
        self._disk.shutdown()

    async def _on_disk(self, function: Callable[[*A], T], *args: *A) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._disk, function, *args)

    # What consumers need of the log.

    def durable_bytes(self, number: int) -> int:
        """Synced length of a segment; 0 when there is none."""
        return self._durable.get(number, 0)

    def following(self, number: int) -> int | None:
        """The next segment after `number`, if any."""
        later = [found for found in self._durable if found > number]
        return min(later) if later else None

    def bytes_after(self, position: Position) -> int:
        """Stored bytes behind `position`."""
        later = sum(size for number, size in self._durable.items() if number > position.segment)
        here = self._durable.get(position.segment, 0)
        return later + max(0, here - position.offset)

    async def wait_grown(self, wait_s: float) -> None:
        """Return at the next sync, or after `wait_s`."""
        async with self._grown:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._grown.wait(), wait_s)

    async def release(self) -> None:
        """Delete the segments that every consumer has left behind."""
        oldest = min(consumer.committed for consumer in self._consumers.values())
        for number in sorted(self._durable):
            past = number < oldest.segment or (
                number == oldest.segment and oldest.offset >= self._durable[number]
            )
            if not past or number == self._active:
                break
            await self._on_disk(self._files.remove, segment.path_of(self._directory, number))
            del self._durable[number]
        self._metrics.set("tailrace_queue_bytes", self.size_bytes)
