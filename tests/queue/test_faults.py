"""One test per fault, and random histories of faults against a list."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from tests.examples import examples

from tailrace.core.contracts import Position
from tailrace.core.errors import Busy, ConfigError, StoreError
from tailrace.core.metrics import Metrics
from tailrace.queue.dead import letters
from tailrace.queue.log import SegmentLog
from tailrace.queue.positions import PositionFile
from tailrace.queue.segment import HEAD_BYTES

from .building import ALL, frame, log, seqs
from .disk import FaultyFileSystem


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ("write", errno.ENOSPC),
        ("write", errno.EIO),
        ("fdatasync", errno.EIO),
        ("create", errno.ENOSPC),
        ("fsync_dir", errno.EIO),
    ],
)
@pytest.mark.parametrize("truncates", [True, False])
@pytest.mark.parametrize("before", [[], [frame(1)]])
def test_a_failed_append_is_busy_and_harms_no_other(
    operation: str, code: int, truncates: bool, before: list[Any]
) -> None:
    async def body() -> None:
        files = FaultyFileSystem(3)
        # Segments too small for two groups: every append creates one.
        queue = log(files, segment_bytes=100)
        await queue.open()
        await queue.accept(before)
        files.fail(operation, code)
        if not truncates:
            files.fail("truncate", errno.EIO)
        with pytest.raises(Busy):
            await queue.accept([frame(2)])
        assert not queue.ready()
        await queue.accept([frame(3)])
        expected = [f.header.seq for f in before] + [3]
        assert await seqs(queue.consumer("hot", ALL)) == expected
        files.crash()
        again = log(files, segment_bytes=100)
        await again.open()
        found = await seqs(again.consumer("hot", ALL))
        assert [n for n in found if n != 2] == expected
        await again.close(1.0)
        await queue.close(1.0)

    asyncio.run(body())


def test_a_failed_sync_is_never_tried_again_on_the_same_file() -> None:
    async def body() -> None:
        files = FaultyFileSystem()
        queue = log(files, segment_bytes=10_000)
        await queue.open()
        await queue.accept([frame(1)])
        files.fail("fdatasync", errno.EIO)
        with pytest.raises(Busy):
            await queue.accept([frame(2)])
        first = files.paths(".seg")[0]
        size = files.size(first)
        await queue.accept([frame(3)])
        assert len(files.paths(".seg")) == 2
        assert files.size(first) == size
        await queue.close(1.0)

    asyncio.run(body())


def test_below_the_disk_reserve_nothing_is_taken() -> None:
    async def body() -> None:
        files = FaultyFileSystem(free=5000)
        queue = log(files, disk_reserve_bytes=4950)
        await queue.open()
        with pytest.raises(Busy):
            await queue.accept([frame(1)])
        files.free = 1 << 30
        assert queue.ready()
        await queue.accept([frame(2)])
        assert await seqs(queue.consumer("hot", ALL)) == [2]
        await queue.close(1.0)

    asyncio.run(body())


def test_a_corrupt_record_is_counted_once_and_kept_among_the_dead_letters() -> None:
    async def body() -> None:
        files, metrics = FaultyFileSystem(), Metrics()
        queue = log(files, metrics=metrics)
        await queue.open()
        for n in range(3):
            await queue.accept([frame(n)])
        path = files.paths(".seg")[0]
        at = bytes(files.read(path, 0, 1000)).index(b"00000001")
        files.flip(path, at * 8)
        assert await seqs(queue.consumer("hot", ALL)) == [0, 2]
        assert await seqs(queue.consumer("bulk", ALL)) == [0, 2]
        assert metrics.get("tailrace_queue_corrupt_total", "record") == 1
        [(letter, raw)] = letters(files, Path("/q/dead"))
        assert letter.reason == "corrupt"
        assert b"0000001" in raw
        await queue.close(1.0)

    asyncio.run(body())


def test_either_copy_of_a_segments_head_is_enough() -> None:
    async def body() -> None:
        for bit in range(0, HEAD_BYTES * 8, 7):
            files = FaultyFileSystem()
            queue = log(files)
            await queue.open()
            await queue.accept([frame(1)])
            files.flip(files.paths(".seg")[0], bit)
            assert await seqs(queue.consumer("hot", ALL)) == [1]
            await queue.close(1.0)

    asyncio.run(body())


def test_a_broken_position_file_falls_back_to_the_one_before() -> None:
    files = FaultyFileSystem()
    store = PositionFile(files, Path("/c"), "hot")
    store.store(Position(1, 100))
    store.store(Position(2, 200))
    for code in (errno.ENOSPC, errno.EIO):
        files.fail("write", code)
        with pytest.raises(OSError, match="E"):
            store.store(Position(3, 300))
    assert PositionFile(files, Path("/c"), "hot").load() == Position(2, 200)
    files.flip(Path("/c/hot.0"), 100)
    assert PositionFile(files, Path("/c"), "hot").load() == Position(1, 100)


def test_a_directory_has_one_owner() -> None:
    async def body() -> None:
        files = FaultyFileSystem()
        queue = log(files)
        await queue.open()
        with pytest.raises(ConfigError):
            await log(files).open()
        await queue.close(1.0)

    asyncio.run(body())


class QueueAgainstAList(RuleBasedStateMachine):
    """`acked` is the model. `doubtful` frames were refused or cut short and may turn up."""

    @initialize(seed=st.integers(0, 1 << 16))
    def start(self, seed: int) -> None:
        self.runner = asyncio.Runner()
        self.files = FaultyFileSystem(seed)
        self.acked: list[int] = []
        self.doubtful: set[int] = set()
        self.done: set[int] = set()  # delivered to `hot` and committed
        self.read_but_open: list[int] = []
        self.next = 0
        self.flips = 0
        self.queue = self._opened()

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    def _opened(self) -> SegmentLog:
        queue = log(self.files, segment_bytes=700, consumers=frozenset({"hot"}))
        self._run(queue.open())
        self.reader = queue.consumer("hot", ALL)
        self.read_but_open = []
        return queue

    @rule(sizes=st.lists(st.integers(8, 150), min_size=1, max_size=3))
    def accept(self, sizes: list[int]) -> None:
        frames = [frame(self.next + n, size=size) for n, size in enumerate(sizes)]
        numbers = [f.header.seq for f in frames]
        self.next += len(frames)
        try:
            self._run(self.queue.accept(frames))
        except Busy:
            self.doubtful.update(numbers)
        else:
            self.acked += numbers

    @rule(max_bytes=st.integers(1, 500))
    def read(self, max_bytes: int) -> None:
        deliveries = self._run(self.reader.read(max_bytes, 0.0))
        self.read_but_open += [d.frame.header.seq for d in deliveries]

    @rule()
    def commit(self) -> None:
        before = self.reader.committed
        try:
            self._run(self.reader.commit(self.reader.position))
        except StoreError:
            assert self.reader.committed == before
            self.unsure = True
        else:
            assert self.reader.committed == self.reader.position
            self.done.update(self.read_but_open)
            self.read_but_open = []

    @rule()
    def rewind(self) -> None:
        self._run(self.reader.rewind())
        self.read_but_open = []

    @rule(
        fault=st.sampled_from(
            [
                ("write", errno.ENOSPC),
                ("write", errno.EIO),
                ("fdatasync", errno.EIO),
                ("truncate", errno.EIO),
                ("create", errno.ENOSPC),
                ("fsync_dir", errno.EIO),
                ("remove", errno.EIO),
            ]
        )
    )
    def break_the_disk(self, fault: tuple[str, int]) -> None:
        self.files.fail(*fault)

    @precondition(lambda self: self.flips < 3)
    @rule(data=st.data())
    def flip(self, data: st.DataObject) -> None:
        paths = [p for p in self.files.paths(".seg") if self.files.size(p) > HEAD_BYTES]
        if paths:
            path = data.draw(st.sampled_from(paths))
            bit = data.draw(st.integers(HEAD_BYTES * 8, self.files.size(path) * 8 - 1))
            self.files.flip(path, bit)
            self.flips += 1

    @rule(power=st.booleans(), polite=st.booleans())
    def restart(self, power: bool, polite: bool) -> None:
        pending = list(self.read_but_open)
        committed = self.reader.committed
        if polite:
            self.files.faults.clear()
            self._run(self.queue.close(1.0))
        old, self.files_before = self.queue, None
        self.files.crash() if power else self.files.kill()
        self._run(old.close(1.0))
        self.queue = self._opened()
        # A commit that failed half way may hold all the same, but never one that was not asked.
        assert self.reader.committed >= committed
        if self.reader.committed > committed:
            self.done.update(pending)
            assert self.unsure
        self._check()

    def _check(self) -> None:
        self.files.faults.clear()
        self._run(self.reader.rewind())
        found = self._run(seqs(self.reader))
        self._run(self.reader.rewind())
        self.read_but_open = []
        assert found == sorted(set(found)), "in order, each once"
        assert set(found) <= set(self.acked) | self.doubtful
        missing = set(self.acked) - set(found) - self.done
        assert len(missing) <= self.flips, f"lost {missing} to {self.flips} flipped bits"

    unsure = False

    def teardown(self) -> None:
        if hasattr(self, "queue"):
            self._check()
            self._run(self.queue.close(1.0))
            self.runner.close()


TestQueueAgainstAList = QueueAgainstAList.TestCase
TestQueueAgainstAList.settings = settings(
    max_examples=examples(40), stateful_step_count=30, deadline=None
)
