"""The segment log against a list, under faults."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tailrace.core.clock import ManualClock
from tailrace.core.contracts import Delivery, Position
from tailrace.core.errors import Busy
from tailrace.core.frame import Frame, Header, Lane
from tailrace.core.metrics import Metrics
from tailrace.queue import record, segment
from tailrace.queue.consumer import parse, render
from tailrace.queue.files import OsFileSystem
from tailrace.queue.log import SegmentLog

_spec = importlib.util.spec_from_file_location("faulty", Path(__file__).with_name("faulty.py"))
assert _spec and _spec.loader
faulty = importlib.util.module_from_spec(_spec)
sys.modules["faulty"] = faulty
_spec.loader.exec_module(faulty)

T = TypeVar("T")
HOME = Path("/queue")


def frame(seq: int, size: int = 40, lane: Lane = Lane.BOTH) -> Frame:
    header = Header("default", "test", 1, seq, 1, size, 0, 1, lane=lane)
    return Frame(header, bytes([seq % 251]) * size)


def build(files: Any, directory: Path = HOME, **limits: int) -> SegmentLog:
    return SegmentLog(
        directory,
        files,
        ManualClock(),
        Metrics(),
        consumers=frozenset({"reader"}),
        **{"disk_reserve_bytes": 0, **limits},
    )


def sequences(deliveries: list[Delivery]) -> list[int]:
    return [delivery.frame.header.seq for delivery in deliveries]


def test_what_was_accepted_is_read_in_order_and_again_after_a_restart(tmp_path: Path) -> None:
    async def run() -> None:
        log = build(OsFileSystem(), tmp_path, segment_bytes=300)
        await log.open()
        await asyncio.gather(*(log.accept([frame(n)]) for n in range(20)))
        consumer = log.consumer("reader", frozenset({Lane.BOTH}))
        first = await consumer.read(40 * 5, 0)
        assert sequences(first) == [0, 1, 2, 3, 4]
        await consumer.commit(first[2].after)
        await log.close(1)
        again = build(OsFileSystem(), tmp_path, segment_bytes=300)
        await again.open()
        rest = await again.consumer("reader", frozenset({Lane.BOTH})).read(10**6, 0)
        assert sequences(rest) == list(range(3, 20))
        await again.close(1)

    asyncio.run(run())


def test_segments_left_behind_are_deleted_and_make_room(tmp_path: Path) -> None:
    async def run() -> None:
        log = build(OsFileSystem(), tmp_path, segment_bytes=300, queue_bytes=3000)
        await log.open()
        with pytest.raises(Busy) as caught:
            for n in range(100):
                await log.accept([frame(n)])
        assert caught.value.retry_after_s > 0
        consumer = log.consumer("reader", frozenset({Lane.BOTH}))
        await consumer.read(10**6, 0)
        await consumer.commit(consumer.position)
        assert log.size_bytes < 1000
        await log.accept([frame(1000)])
        assert sequences(await consumer.read(10**6, 0)) == [1000]
        await log.close(1)

    asyncio.run(run())


def test_a_reader_sees_only_its_lanes_but_commits_past_the_others(tmp_path: Path) -> None:
    async def run() -> None:
        log = build(OsFileSystem(), tmp_path)
        await log.open()
        lanes = [Lane.HOT, Lane.BULK, Lane.BOTH, Lane.BULK]
        await log.accept([frame(n, lane=lane) for n, lane in enumerate(lanes)])
        consumer = log.consumer("reader", frozenset({Lane.HOT, Lane.BOTH}))
        assert sequences(await consumer.read(10**6, 0)) == [0, 2]
        await consumer.commit(consumer.position)
        assert await consumer.lag_bytes() == 0
        await log.close(1)

    asyncio.run(run())


def test_a_waiting_reader_is_woken_by_an_accept(tmp_path: Path) -> None:
    async def run() -> None:
        log = build(OsFileSystem(), tmp_path)
        await log.open()
        consumer = log.consumer("reader", frozenset({Lane.BOTH}))
        reading = asyncio.create_task(consumer.read(10**6, 30))
        await asyncio.to_thread(lambda: None)
        await log.accept([frame(7)])
        found = await asyncio.wait_for(reading, 5)
        found = found or await consumer.read(10**6, 0)
        assert sequences(found) == [7]
        await log.close(1)

    asyncio.run(run())


def test_below_the_disk_reserve_nothing_is_taken(tmp_path: Path) -> None:
    async def run() -> None:
        log = build(OsFileSystem(), tmp_path, disk_reserve_bytes=1 << 60)
        await log.open()
        with pytest.raises(Busy, match="disk"):
            await log.accept([frame(1)])
        assert log.size_bytes == 0
        await log.close(1)

    asyncio.run(run())


def test_full_dead_letters_refuse_and_lose_nothing(tmp_path: Path) -> None:
    async def run() -> None:
        log = build(OsFileSystem(), tmp_path, dead_letter_bytes=500)
        await log.open()
        await log.bury(frame(1), "unreadable")
        with pytest.raises(Busy):
            await log.bury(frame(2, size=1000), "unreadable")
        await log.close(1)

    asyncio.run(run())


@given(st.binary(max_size=200), st.text(max_size=20), st.integers(0, 2**63))
def test_a_record_decodes_to_its_frame(payload: bytes, source: str, seq: int) -> None:
    original = Frame(Header("t", source, 1, seq, 1, len(payload), 0, 1), payload)
    data = record.encode(original)
    found = record.prefix(data)
    assert found is not None
    assert found.size == len(data)
    assert record.decode(found, data[record.PREFIX_BYTES :]) == original


@given(st.integers(0, 2**40), st.integers(0, 2**40), st.integers(0, 40))
def test_a_torn_position_file_means_the_beginning(number: int, offset: int, cut: int) -> None:
    data = render(Position(number, offset))
    assert parse(data) == Position(number, offset)
    if cut < len(data) - 1:
        assert parse(data[:cut]) == Position(0, 0)


class QueueMachine(RuleBasedStateMachine):
    """Random work and faults against a list of what was acknowledged."""

    def __init__(self) -> None:
        super().__init__()
        self.files = faulty.FaultyFileSystem()
        self.loop = asyncio.new_event_loop()
        self.next = 0
        self.acked: list[int] = []  # not yet committed
        self.maybe: set[int] = set()  # refused or cut off: may or may not be there
        self.flipped: set[int] = set()
        self.read: list[Delivery] = []
        self.open()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def open(self) -> None:
        self.log = build(self.files, segment_bytes=400, queue_bytes=4000)
        self.do(self.log.open())
        self.consumer = self.log.consumer("reader", frozenset({Lane.BOTH}))
        self.read = []

    @rule(count=st.integers(1, 4), size=st.integers(0, 120))
    def accept(self, count: int, size: int) -> None:
        frames = [frame(self.next + n, size) for n in range(count)]
        numbers = [f.header.seq for f in frames]
        self.next += count
        try:
            self.do(self.log.accept(frames))
            self.acked += numbers
        except Busy:
            self.maybe.update(numbers)

    @rule(size=st.integers(1, 400))
    def take(self, size: int) -> None:
        self.read += self.do(self.consumer.read(size, 0))

    @rule()
    def commit(self) -> None:
        self.do(self.consumer.commit(self.consumer.position))
        last = max(sequences(self.read), default=-1)
        self.acked = [seq for seq in self.acked if seq > last]
        self.read = []

    @rule()
    def rewind(self) -> None:
        self.do(self.consumer.rewind())
        self.read = []

    @rule(keep=st.integers(0, 60))
    def crash(self, keep: int) -> None:
        self.files.fail_syncs = 0  # a disk that fails at start is a start that fails
        self.files.crash(keep)
        self.do(self.log.close(1))
        self.open()

    @rule(room=st.integers(0, 300))
    def fill_the_disk(self, room: int) -> None:
        self.files.space_bytes = room

    @rule()
    def free_the_disk(self) -> None:
        self.files.space_bytes = 1 << 40

    @rule()
    def break_a_sync(self) -> None:
        self.files.fail_syncs = 1

    @rule(where=st.integers(0, 4000))
    def flip_a_bit(self, where: int) -> None:
        paths = sorted(p for p in self.files.written if p.suffix == segment.SUFFIX)
        paths = [p for p in paths if p.parent == HOME and self.files.size(p)]
        if not paths:
            return
        path = paths[where % len(paths)]
        at = where % self.files.size(path)
        before = self.frames_in(path)
        self.files.flip(path, at)
        lost = before - self.frames_in(path)
        assert len(lost) <= 1, "a flipped bit costs one record"
        self.flipped |= lost

    def frames_in(self, path: Path) -> set[int]:
        found, offset, size = set(), 0, self.files.size(path)
        while (entry := segment.read_entry(self.files, path, offset, size)) is not None:
            if entry.frame is not None:
                found.add(entry.frame.header.seq)
            offset = entry.end
        return found

    @invariant()
    def acknowledged_frames_are_there_in_order(self) -> None:
        ahead = self.do(self.everything_uncommitted())
        seen = sequences(ahead)
        assert seen == sorted(seen)
        assert len(seen) == len(set(seen))
        missing = set(self.acked) - set(seen) - self.flipped
        assert not missing
        assert set(seen) <= set(self.acked) | self.maybe | self.flipped | set(range(self.next))

    async def everything_uncommitted(self) -> list[Delivery]:
        place = self.consumer.position
        await self.consumer.rewind()
        found = await self.consumer.read(1 << 30, 0)
        self.consumer._position = place
        return found

    def teardown(self) -> None:
        self.do(self.log.close(1))
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()


QueueMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestQueueAgainstAList = QueueMachine.TestCase
