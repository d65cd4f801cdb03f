"""The laws of a queue. Every implementation is held to them; add one to `QUEUES`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tailrace.core import limits
from tailrace.core.contracts import BULK_LANES, HOT_LANES, Follower, Position, Taken
from tailrace.core.errors import Busy, Poison
from tailrace.core.frame import Frame, Header, Lane
from tailrace.queue.files import OsFileSystem
from tailrace.queue.follower import FRAME_OVERHEAD_BYTES, LogFeed
from tailrace.queue.log import SegmentLog

from .building import ALL, frame, log, seqs
from .disk import FaultyFileSystem

Make = Callable[..., SegmentLog]


@pytest.fixture(params=["disk", "memory"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """A queue over storage that outlives it."""
    files = OsFileSystem() if request.param == "disk" else FaultyFileSystem()
    directory = tmp_path / "q" if request.param == "disk" else Path("/q")
    return lambda **options: log(files, directory, **options)


def run(queue: SegmentLog, body: Callable[[SegmentLog], Awaitable[Any]]) -> Any:
    async def whole() -> Any:
        await queue.open()
        try:
            return await body(queue)
        finally:
            await queue.close(1.0)

    return asyncio.run(whole())


def test_frames_are_delivered_whole_and_in_order_also_after_a_restart(make: Make) -> None:
    frames = [frame(n, size=100) for n in range(40)]

    async def fill(queue: SegmentLog) -> None:
        for start in range(0, 40, 4):
            receipt = await queue.accept(frames[start : start + 4])
            assert (receipt.frames, receipt.rows) == (4, 4)

    async def drain(queue: SegmentLog) -> list[Any]:
        return [d.frame for d in await queue.consumer("hot", ALL).read(1 << 30, 0.0)]

    run(make(), fill)
    assert run(make(), drain) == frames


def test_concurrent_accepts_are_all_delivered(make: Make) -> None:
    async def body(queue: SegmentLog) -> None:
        await asyncio.gather(*(queue.accept([frame(n)]) for n in range(50)))
        assert sorted(await seqs(queue.consumer("hot", ALL))) == list(range(50))

    run(make(), body)


def test_a_consumer_sees_its_lanes_and_its_position_passes_the_others(make: Make) -> None:
    async def body(queue: SegmentLog) -> None:
        lanes = [Lane.HOT, Lane.BULK, Lane.BOTH, Lane.BULK]
        await queue.accept([frame(n, lane) for n, lane in enumerate(lanes)])
        hot, bulk = queue.consumer("hot", HOT_LANES), queue.consumer("bulk", BULK_LANES)
        assert (await seqs(hot), await seqs(bulk)) == ([0, 2], [1, 2, 3])
        assert hot.position == bulk.position
        await hot.commit(hot.position)
        assert await hot.lag_bytes() == 0 < await bulk.lag_bytes()

    run(make(), body)


def test_read_is_bounded_but_returns_at_least_one(make: Make) -> None:
    async def body(queue: SegmentLog) -> None:
        await queue.accept([frame(n, size=100) for n in range(4)])
        reader = queue.consumer("hot", ALL)
        assert [len(await reader.read(size, 0.0)) for size in (1, 250, 100)] == [1, 2, 1]

    run(make(), body)


def test_rewind_and_restart_go_back_to_what_was_committed(make: Make) -> None:
    async def body(queue: SegmentLog) -> None:
        await queue.accept([frame(n) for n in range(5)])
        reader = queue.consumer("hot", ALL)
        first = await reader.read(40, 0.0)
        await reader.commit(first[-1].after)
        assert await seqs(reader) == [2, 3, 4]
        await reader.rewind()
        assert await seqs(reader) == [2, 3, 4]
        with pytest.raises(ValueError, match="never read"):
            await reader.commit(Position(99, 0))

    run(make(), body)
    assert run(make(), lambda queue: seqs(queue.consumer("hot", ALL))) == [2, 3, 4]


def test_a_waiting_read_wakes_for_an_accept(make: Make) -> None:
    async def body(queue: SegmentLog) -> None:
        waiting = asyncio.create_task(queue.consumer("hot", ALL).read(100, 30.0))
        await asyncio.sleep(0)
        await queue.accept([frame(7)])
        assert [d.frame.header.seq for d in await waiting] == [7]

    run(make(), body)


def test_a_full_queue_is_busy_and_takes_frames_again_when_all_was_read(make: Make) -> None:
    async def body(queue: SegmentLog) -> None:
        for _ in range(3):
            accepted = 0
            with pytest.raises(Busy):
                while True:
                    await queue.accept([frame(accepted, size=200)])
                    accepted += 1
            assert queue.size_bytes <= 4000
            for name in ("hot", "bulk"):
                reader = queue.consumer(name, ALL)
                assert await seqs(reader) == list(range(accepted))
                await reader.commit(reader.position)

    run(make(queue_bytes=4000, segment_bytes=1 << 20), body)


def test_dead_letters_are_bounded_by_busy(make: Make) -> None:
    async def body(queue: SegmentLog) -> None:
        with pytest.raises(Busy):
            for n in range(100):
                await queue.bury(frame(n, size=100), "unreadable")

    run(make(dead_letter_bytes=1000), body)


def test_a_segment_ends_at_its_size_and_goes_when_all_have_read_it(make: Make) -> None:
    async def body(queue: SegmentLog) -> None:
        await queue.accept([frame(n, size=200) for n in range(8)])
        for n in range(8, 16):
            await queue.accept([frame(n, size=200)])
        full = queue.extents()
        assert len(full) > 4
        for name in ("hot", "bulk"):
            consumer = queue.consumer(name, ALL)
            assert len(await seqs(consumer)) == 16
            await consumer.commit(consumer.position)
        assert len(queue.extents()) < len(full) / 2

    run(make(segment_bytes=1_000), body)


def test_a_frame_whose_header_is_too_large_is_poison_and_those_that_fit_pass(make: Make) -> None:
    async def body(queue: SegmentLog) -> None:
        for room, fits in ((1_000, True), (0, False)):
            large = frame(1)
            said = {"k": "v" * (limits.HEADER_BYTES - room)}
            large = Frame(msgspec.structs.replace(large.header, resource=said), large.payload)
            if fits:
                assert (await queue.accept([large])).frames == 1
                continue
            with pytest.raises(Poison, match="frame header"):
                await queue.accept([large])
        assert await seqs(queue.consumer("hot", ALL)) == [1]

    run(make(), body)


def test_accepts_that_come_at_once_share_a_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = OsFileSystem()
    synced: list[int] = []
    sync = files.fdatasync
    monkeypatch.setattr(files, "fdatasync", lambda handle: (synced.append(handle), sync(handle)))
    queue = log(files, tmp_path / "q", segment_bytes=100_000)

    async def body(queue: SegmentLog) -> None:
        await queue.accept([frame(0)])
        synced.clear()
        await asyncio.gather(*(queue.accept([frame(n)]) for n in range(1, 9)))

    run(queue, body)
    assert len(synced) == 1


def test_a_frame_too_large_is_poison_and_a_closed_queue_is_busy(make: Make) -> None:
    queue = make()

    async def body(queue: SegmentLog) -> None:
        with pytest.raises(Poison):
            await queue.accept([frame(0, size=(32 << 20) + 1)])

    run(queue, body)
    with pytest.raises(Busy):
        asyncio.run(queue.accept([frame(1)]))


def follow(
    queue: SegmentLog,
    wanted: Callable[[Header], bool] = lambda _header: True,
    held_bytes: int = 1 << 20,
) -> Follower:
    return LogFeed(queue, "hot").follow(wanted, held_bytes)


def test_a_follower_sees_what_comes_after_it_whole_and_in_order(make: Make) -> None:
    async def body(queue: SegmentLog) -> None:
        await queue.accept([frame(0)])
        follower = follow(queue)
        sent = [frame(n, lane) for n, lane in enumerate([Lane.HOT, Lane.BULK, Lane.BOTH], 1)]
        await queue.accept(sent[:2])
        await queue.accept(sent[2:])
        assert (await follower.read(1 << 30)).frames == sent

    run(make(), body)


def test_a_follower_is_asked_which_frames_it_wants(make: Make) -> None:
    async def body(queue: SegmentLog) -> None:
        follower = follow(queue, lambda header: header.lane in HOT_LANES and header.seq > 1)
        lanes = [Lane.HOT, Lane.HOT, Lane.HOT, Lane.BULK, Lane.BOTH]
        await queue.accept([frame(n, lane) for n, lane in enumerate(lanes)])
        assert [f.header.seq for f in (await follower.read(1 << 30)).frames] == [2, 4]

    run(make(), body)


def test_a_waiting_follower_wakes_for_an_accept_and_for_the_close(make: Make) -> None:
    async def body(queue: SegmentLog) -> None:
        follower = follow(queue)
        waiting = asyncio.create_task(follower.read(100))
        await asyncio.sleep(0)
        await queue.accept([frame(7)])
        assert [f.header.seq for f in (await waiting).frames] == [7]
        waiting = asyncio.create_task(follower.read(100))
        await asyncio.sleep(0)
        assert not waiting.done()
        await queue.close(1.0)
        assert await waiting == await follower.read(100) == Taken([], {})

    run(make(), body)


def test_a_followers_read_is_bounded_but_returns_at_least_one(make: Make) -> None:
    async def body(queue: SegmentLog) -> None:
        follower = follow(queue)
        await queue.accept([frame(n, size=100) for n in range(4)])
        assert [len((await follower.read(size)).frames) for size in (1, 250, 100)] == [1, 2, 1]

    run(make(), body)


def test_a_follower_that_is_behind_passes_over_the_oldest_and_says_how_much(make: Make) -> None:
    async def body(queue: SegmentLog) -> None:
        follower = follow(queue, held_bytes=4 * (100 + FRAME_OVERHEAD_BYTES))
        await queue.accept([frame(n, size=100) for n in range(10)])
        taken = await follower.read(1 << 30)
        assert [f.header.seq for f in taken.frames] == [6, 7, 8, 9]
        assert taken.passed == {"acme": 6}
        await queue.accept([frame(10)])
        assert (await follower.read(1 << 30)).passed == {}

    run(make(), body)


def test_a_follower_that_never_reads_holds_no_segment_and_no_sender(make: Make) -> None:
    async def body(queue: SegmentLog) -> None:
        follower = follow(queue)
        for n in range(100):
            await queue.accept([frame(n, size=400)])
            for name in ("hot", "bulk"):
                reader = queue.consumer(name, ALL)
                await reader.read(1 << 30, 0.0)
                await reader.commit(reader.position)
        assert queue.size_bytes < 4000
        follower.close()
        await queue.accept([frame(100)])

    run(make(queue_bytes=4000), body)


def test_what_is_durable_is_stored_once_the_consumer_of_the_store_is_past_it(make: Make) -> None:
    async def body(queue: SegmentLog) -> None:
        feed = LogFeed(queue, "hot")
        assert await feed.stored(0.0)
        await queue.accept([frame(n, Lane.BULK) for n in range(3)])
        assert not await feed.stored(0.0)
        waiting = asyncio.create_task(feed.stored(30.0))
        await asyncio.sleep(0)
        await queue.accept([frame(3)])
        reader = queue.consumer("hot", HOT_LANES)
        assert await seqs(reader, 1) == [3]
        await reader.commit(reader.position)
        assert await waiting

    run(make(), body)
