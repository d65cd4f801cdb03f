"""The segment log: a durable queue on one disk, for one process.

    directory/
      lock                     held by the process that owns the directory
      000000000007.seg ...     records, see segment.py and record.py
      consumers/<name>.0 .1    positions, see positions.py
      dead/...                 dead letters, see dead.py

Frames are written by one worker thread, with one write and one sync for all that came while it
wrote the last ones; where more wait than one write takes, tenants take turns. A segment is deleted
when every declared consumer has committed past it; the newest one always stays, for its number must
not be given out again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import msgspec

from tailrace.core import limits
from tailrace.core.clock import Clock
from tailrace.core.contracts import Position, Receipt
from tailrace.core.errors import Busy, ConfigError, StoreError
from tailrace.core.fair import FairQueue
from tailrace.core.frame import Frame, Header, Lane
from tailrace.core.log import get
from tailrace.core.metrics import Metrics
from tailrace.queue.appender import Appender, Entry, entry_of
from tailrace.queue.consumer import Broken, LogConsumer
from tailrace.queue.dead import DeadLetters, Letter
from tailrace.queue.files import FileSystem
from tailrace.queue.follower import LogFollower
from tailrace.queue.held import Held, hold
from tailrace.queue.positions import PositionFile
from tailrace.queue.record import PAYLOAD_LIMIT_BYTES, encoded_bytes
from tailrace.queue.segment import Extent, end_of, numbers_in, path_of, recover

_log = get("queue")
_T = TypeVar("_T")

# A group is written at once; a larger one gains nothing more from sharing a sync.
GROUP_BYTES = 8 * limits.MIB
BUSY_FULL_S = 5.0
BUSY_DISK_S = 2.0
# Damage that was named is named once, by whichever consumer meets it first.
_REPORTED = 10_000


class _Batch:
    """The frames of one `accept`, waiting for their sync."""

    def __init__(
        self, frames: Sequence[Frame], entries: list[Entry], done: asyncio.Future[None]
    ) -> None:
        self.tenant = frames[0].header.tenant
        self.frames = frames
        self.entries = entries
        self.done = done
        self.size = sum(encoded_bytes(*entry) for entry in entries)


class SegmentLog:
    """Implements `Queue`. Open it first. All methods belong to one event loop.

    `consumers` names the readers that segments are held for; others cannot read.
    `queue_bytes` and `dead_letter_bytes` bound what is stored, `disk_reserve_bytes` is left free.
    `dead` is used through `work`, but for what it says itself.
    """

    def __init__(
        self,
        directory: Path,
        files: FileSystem,
        clock: Clock,
        metrics: Metrics,
        consumers: frozenset[str],
        *,
        segment_bytes: int = limits.SEGMENT_BYTES,
        queue_bytes: int = limits.QUEUE_BYTES,
        dead_letter_bytes: int = limits.DEAD_LETTER_BYTES,
        disk_reserve_bytes: int = limits.DISK_RESERVE_BYTES,
    ) -> None:
        self.directory = directory
        self.files = files
        self._clock = clock
        self._metrics = metrics
        # Room for a segment being read, one being written and one between.
        self._segment_bytes = min(segment_bytes, queue_bytes // 4)
        self._queue_bytes = queue_bytes
        self._reserve_bytes = disk_reserve_bytes
        home = directory / "consumers"
        self._stores = {name: PositionFile(files, home, name) for name in sorted(consumers)}
        self._committed: dict[str, Position] = {}
        self.dead = DeadLetters(files, directory / "dead", self._segment_bytes, dead_letter_bytes)
        self._extents: dict[int, Extent] = {}
        self._appender: Appender | None = None
        self._lock: int | None = None
        self._worker = ThreadPoolExecutor(1, "queue")
        self._pending: FairQueue[_Batch] = FairQueue()
        self._pending_bytes = 0
        self._stored_bytes = 0
        self._committer: asyncio.Task[None] | None = None
        self._grown: asyncio.Event | None = None
        self._moved: asyncio.Event | None = None
        self._awaited: Counter[tuple[str, Position]] = Counter()
        self._followers: list[LogFollower] = []
        self._reported: set[Broken] = set()
        self._failed_s = float("-inf")
        self._short = False
        self._releasing = asyncio.Lock()
        self._accepting = False
        self.closed = False

    async def open(self) -> None:
        """Own the directory and recover it. Raises ConfigError when another process owns it."""
        try:
            torn = await self.work(self._open)
        except BaseException:
            await self.close(0.0)
            raise
        if torn:
            _log.warning("cut off an unfinished write", extra={"bytes": torn})
            self._metrics.add("tailrace_queue_corrupt_total", label="tail")
        self._accepting = True
        await self._release()

    async def accept(self, frames: Sequence[Frame]) -> Receipt:
        """See `Sink.accept`: returns when the frames are durable, in order.

        Raises Busy when the queue or the disk is full or the disk fails, Poison when a frame is
        larger than a record may be. A cancelled call may leave its frames in the queue.
        """
        if not frames:
            return Receipt(0, 0)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        batch = _Batch(frames, [entry_of(frame) for frame in frames], done)
        self._admit(batch.size)
        self._pending.add(batch.tenant, batch)
        self._pending_bytes += batch.size
        if self._committer is None or self._committer.done():
            self._committer = asyncio.create_task(self._commit_groups())
        await done
        for lane in Lane:
            count = sum(frame.header.lane is lane for frame in frames)
            if count:
                self._metrics.add("tailrace_queue_frames_total", count, lane.value)
        return Receipt(len(frames), sum(frame.header.rows for frame in frames))

    def consumer(self, name: str, lanes: frozenset[Lane]) -> LogConsumer:
        """A reader at its committed position. Raises ConfigError when `name` was not declared."""
        if name not in self._committed:
            raise ConfigError(f"consumer {name!r} was not declared, or the queue is not open")
        return LogConsumer(self, name, lanes)

    def follow(self, wanted: Callable[[Header], bool], held_bytes: int) -> LogFollower:
        """See `Feed.follow`. For a few of them: every append asks each of them."""
        follower = LogFollower(wanted, held_bytes, self._followers.remove)
        self._followers.append(follower)
        if self.closed:
            follower.close()
        return follower

    @property
    def end(self) -> Position:
        """Behind all that is durable."""
        return end_of(self._extents.values())

    async def passed(self, name: str, timeout_s: float, hurry: bool = False) -> bool:
        """Wait until consumer `name` committed past all that is durable now; False when it did not
        within `timeout_s`, or the queue was closed. With `hurry` the consumer knows that somebody
        waits: see `Consumer.awaited`."""
        end = self.end
        if self._committed[name] < end:
            with self._hurried(name, end) if hurry else contextlib.nullcontext():
                await self._moved_to(name, end, timeout_s)
        return self._committed[name] >= end

    @contextlib.contextmanager
    def _hurried(self, name: str, end: Position) -> Iterator[None]:
        self._awaited[name, end] += 1
        self._wake()
        try:
            yield
        finally:
            self._awaited[name, end] -= 1
            if not self._awaited[name, end]:
                del self._awaited[name, end]

    async def _moved_to(self, name: str, end: Position, timeout_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self._committed[name] < end and not self.closed:
                    if self._moved is None or self._moved.is_set():
                        self._moved = asyncio.Event()
                    await self._moved.wait()

    async def held(self) -> Held:
        """All that is durable now. Raises as `hold` does, and Busy when the queue is closed."""
        return await self.work(hold, self.directory, self.extents())

    async def bury(self, frame: Frame, reason: str) -> None:
        """Keep `frame` among the dead letters, durably. Raises Busy when they are full."""
        letter = Letter(reason, self._clock.wall_ns(), header=frame.header)
        await self.work(self.dead.bury, letter, frame.payload)
        self._metrics.add("tailrace_dead_letters_total", label="frame")

    async def close(self, deadline_s: float) -> None:
        """Refuse new frames, finish waiting ones for at most `deadline_s`, let go of the files."""
        if self.closed:
            return
        self._accepting = False
        if self._committer is not None and not self._committer.done():
            await asyncio.wait([self._committer], timeout=deadline_s)
        self._fail(self._pending, Busy("the queue is closing"))
        self._pending = FairQueue()
        self.closed = True
        self._wake()
        for follower in tuple(self._followers):
            follower.close()
        letting_go = asyncio.get_running_loop().run_in_executor(self._worker, self._close)
        await asyncio.wait([letting_go], timeout=max(deadline_s, 0.1))
        self._worker.shutdown(wait=False)

    @property
    def size_bytes(self) -> int:
        """Bytes stored, and those waiting for their sync."""
        return self._stored_bytes + self._pending_bytes

    def ready(self) -> bool:
        """True when `accept` is likely to take a frame now. Cheap."""
        if not self._accepting or self._clock.monotonic_s() < self._failed_s + BUSY_DISK_S:
            return False
        try:
            return self._room() > 0 and self.size_bytes < self._queue_bytes
        except OSError:
            return False

    def pressure(self) -> float:
        """See `Pressure`: how much of the room is used that the bounds and the disk leave."""
        try:
            room = self._room()
        except OSError:
            return 1.0
        size = self.size_bytes
        most = min(self._queue_bytes, size + room)
        return min(1.0, size / most) if most > 0 else 1.0

    def _room(self) -> int:
        """Bytes of the disk above its reserve. Says when none are left, and when there are again.
        Raises OSError."""
        free = self.files.free_bytes(self.directory)
        short = free <= self._reserve_bytes
        if short is not self._short:
            self._short = short
            extra = {
                "directory": self.directory,
                "free_bytes": free,
                "queue.disk_reserve": self._reserve_bytes,
            }
            if short:
                _log.error("the disk is full: nothing is taken until more is free", extra=extra)
            else:
                _log.info("the disk has room again", extra=extra)
        return free - self._reserve_bytes

    # What consumers ask: see consumer.Log.

    @property
    def grown(self) -> asyncio.Event:
        """Set when records were added after it was asked for, or at close."""
        if self._grown is None or self._grown.is_set():
            self._grown = asyncio.Event()
        return self._grown

    def extents(self) -> Sequence[Extent]:
        """Segments and their durable ends, oldest first."""
        return list(self._extents.values())

    def committed(self, name: str) -> Position:
        return self._committed[name]

    def awaited(self, name: str, position: Position) -> bool:
        """Whether somebody waits for a commit up to `position`, or before it."""
        committed = self._committed[name]
        return any(who == name and committed < end <= position for who, end in self._awaited)

    async def commit(self, name: str, position: Position) -> None:
        """Store a position and release what nobody needs. Raises StoreError."""
        try:
            await self.work(self._stores[name].store, position)
        except Busy as error:
            raise StoreError(f"position of {name} not stored: {error}") from error
        except OSError as error:
            raise StoreError(f"position of {name} not stored: {error.strerror}") from error
        self._committed[name] = max(position, self._committed[name])
        if self._moved is not None:
            self._moved.set()
        await self._release()

    async def report(self, broken: Sequence[Broken]) -> None:
        """Count damage once, and keep its bytes among the dead letters where there is room."""
        for place in broken:
            if place in self._reported:
                continue
            if len(self._reported) < _REPORTED:
                self._reported.add(place)
            self._metrics.add("tailrace_queue_corrupt_total", label="record")
            _log.error("skipped a corrupt record", extra=msgspec.structs.asdict(place))
            with contextlib.suppress(Busy, OSError):
                await self.work(self._bury_bytes, place)
                self._metrics.add("tailrace_dead_letters_total", label="corrupt")

    # Accepting.

    def _admit(self, size: int) -> None:
        if not self._accepting:
            raise self._busy("closed", "the queue is not open", 1.0)
        if self.size_bytes + size > self._queue_bytes:
            raise self._busy("full", f"the queue holds {self._queue_bytes} bytes", BUSY_FULL_S)

    async def _commit_groups(self) -> None:
        # What comes while one group is written has the time to gather: no other wait is needed.
        while self._pending:
            await self._commit_group(self._take())

    def _take(self) -> list[_Batch]:
        """Batches for one write: at least one, and no more than a group or a segment holds."""
        group: list[_Batch] = []
        size = 0
        limit = min(GROUP_BYTES, self._segment_bytes)
        while self._pending:
            tenant = self._pending.tenants()[0]
            if group and size + self._pending.first(tenant).size > limit:
                break
            group.append(self._pending.take(tenant))
            size += group[-1].size
        return group

    async def _commit_group(self, group: list[_Batch]) -> None:
        size = sum(batch.size for batch in group)
        wanted = [batch for batch in group if not batch.done.done()]
        entries = [entry for batch in wanted for entry in batch.entries]
        try:
            extent = await self.work(self._append, entries) if entries else None
        except Busy as error:
            self._fail(group, error)
        except OSError as error:
            self._failed_s = self._clock.monotonic_s()
            _log.error("write failed", extra={"error": error.strerror})
            self._fail(group, self._busy("io", f"disk: {error.strerror}", BUSY_DISK_S))
        except BaseException as error:
            self._fail(group, error if isinstance(error, Exception) else Busy("stopped"))
            raise
        else:
            if extent is not None:
                self._extend(extent)
                self._metrics.add("tailrace_queue_syncs_total")
            for batch in group:
                if not batch.done.done():
                    batch.done.set_result(None)
            for follower in self._followers:
                for batch in wanted:
                    follower.offer(batch.frames)
        finally:
            self._pending_bytes -= size
            self._gauge()

    def _fail(self, group: Iterable[_Batch], error: Exception) -> None:
        for batch in group:
            if not batch.done.done():
                batch.done.set_exception(error)

    def _busy(self, reason: str, message: str, retry_after_s: float) -> Busy:
        self._metrics.add("tailrace_queue_busy_total", label=reason)
        return Busy(message, retry_after_s)

    # Segments.

    def _extend(self, extent: Extent) -> None:
        before = self._extents.get(extent.number, Extent(extent.number, 0))
        self._stored_bytes += extent.end - before.end
        self._extents[extent.number] = extent
        self._wake()

    async def _release(self) -> None:
        """Delete segments that every consumer has committed past."""
        async with self._releasing:
            done = self._behind_all()
            newest = max(self._extents, default=0)
            if done and done[-1].number == newest and done[-1].end > self._segment_bytes // 2:
                # Without this a full queue whose last segment was read would stay full.
                with contextlib.suppress(OSError):
                    self._extend(await self.work(self._rotate))
            newest = max(self._extents, default=0)
            for extent in self._behind_all():
                if extent.number < newest and await self.work(self._delete, extent.number):
                    del self._extents[extent.number]
                    self._stored_bytes -= extent.end
        self._gauge()

    def _behind_all(self) -> list[Extent]:
        behind = min(self._committed.values(), default=Position(0, 0))
        return [extent for extent in self.extents() if not extent.bytes_after(behind)]

    def _gauge(self) -> None:
        self._metrics.set("tailrace_queue_bytes", self.size_bytes)

    def _wake(self) -> None:
        for event in (self._grown, self._moved) if self.closed else (self._grown,):
            if event is not None:
                event.set()

    # In the worker thread.

    async def work(self, function: Callable[..., _T], *args: object) -> _T:
        """What `function` returns there. Raises Busy once the queue is closed."""
        if self.closed:
            raise Busy("the queue is closed")
        return await asyncio.get_running_loop().run_in_executor(self._worker, function, *args)

    def _open(self) -> int:
        """Bytes that were cut off."""
        self.files.mkdir(self.directory)
        try:
            self._lock = self.files.lock(self.directory / "lock")
        except BlockingIOError as error:
            raise ConfigError(f"{self.directory} is in use by another tailrace") from error
        self.files.mkdir(self.directory / "consumers")
        self._committed = {name: store.load() for name, store in self._stores.items()}
        torn = self._recover()
        self.dead.open()
        return torn

    def _recover(self) -> int:
        numbers = numbers_in(self.files, self.directory)
        extents = [Extent(n, self.files.size(path_of(self.directory, n))) for n in numbers[:-1]]
        torn = 0
        if numbers:
            last, torn = recover(self.files, self.directory, numbers[-1])
            extents += [last] if last else []
        self._extents = {extent.number: extent for extent in extents}
        self._stored_bytes = sum(extent.end for extent in extents)
        used = [*numbers, *(position.segment for position in self._committed.values())]
        self._appender = Appender(
            self.files, self.directory, self._segment_bytes, max(used, default=0) + 1
        )
        return torn

    def _append(self, entries: list[Entry]) -> Extent:
        assert self._appender is not None
        size = sum(encoded_bytes(*entry) for entry in entries)
        if self.files.free_bytes(self.directory) - size < self._reserve_bytes:
            message = f"the disk is full but for {self._reserve_bytes} bytes that stay free"
            raise self._busy("disk", message, BUSY_DISK_S)
        return self._appender.append(entries)

    def _rotate(self) -> Extent:
        assert self._appender is not None
        return self._appender.rotate()

    def _delete(self, number: int) -> bool:
        try:
            self.files.remove(path_of(self.directory, number))
        except FileNotFoundError:
            return True
        except OSError as error:
            _log.warning("segment not deleted", extra={"error": error.strerror})
            return False
        return True

    def _bury_bytes(self, place: Broken) -> None:
        length = min(place.end - place.start, PAYLOAD_LIMIT_BYTES)
        raw = self.files.read(path_of(self.directory, place.segment), place.start, length)
        found = Position(place.segment, place.start)
        self.dead.bury(Letter("corrupt", self._clock.wall_ns(), found=found), raw)

    def _close(self) -> None:
        if self._appender is not None:
            self._appender.close()
        self.dead.close()
        if self._lock is not None:
            self.files.close(self._lock)
            self._lock = None
