"""What the archiver promises, one sentence each."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from tailrace.core import limits
from tailrace.core.frame import Frame, Lane

from .building import STEP_WAIT_S, Kind, World, bodies, expected_bodies, frame


def archived(world: World, sent: Frame) -> list[str]:
    return world.archive.bodies(sent.header.key)


def test_each_lane_is_archived_from_its_own_table() -> None:
    async def body(world: World) -> None:
        frames = [frame(n, lane) for n, lane in enumerate((Lane.HOT, Lane.BULK, Lane.BOTH))]
        await world.queue.accept(frames)
        await world.drained()
        assert [archived(world, f) for f in frames] == [[], bodies(1, 2), bodies(2, 2)]
        assert [world.hot.bodies(f.header.key) for f in frames] == [
            bodies(0, 2), [], bodies(2, 2),
        ]  # fmt: skip
        assert world.bulk.rows == []

    World().scenario(body)


def test_a_step_holds_no_more_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [frame(n) for n in range(10)]
    monkeypatch.setattr(limits, "ARCHIVE_BYTES", 3 * frames[0].header.bytes)

    async def body(world: World) -> None:
        await world.queue.accept(frames)
        await world.drained()
        assert world.faults.calls["step"] == 4
        assert all(archived(world, one) for one in frames)

    World().scenario(body)


def test_a_step_ends_when_its_time_is_over_however_little_it_holds() -> None:
    async def body(world: World) -> None:
        for number in range(3):
            await world.queue.accept([frame(number)])
            await world.until(lambda n=number: bool(archived(world, frame(n))), 2 * STEP_WAIT_S)
        assert world.faults.calls["step"] == 3

    World().scenario(body)


def test_nothing_is_archived_before_the_hot_writer_has_stored_it() -> None:
    async def body(world: World) -> None:
        world.faults.down = {"insert"}
        await world.queue.accept([frame(1), frame(2, Lane.BULK)])
        await asyncio.sleep(60)
        assert world.faults.calls["step"] == 0
        world.faults.down = set()
        await world.drained()
        assert [archived(world, frame(n)) for n in (1, 2)] == [bodies(1, 2), bodies(2, 2)]

    World().scenario(body)


@pytest.mark.parametrize("lane", [Lane.BOTH, Lane.BULK])
def test_a_frame_that_is_sent_twice_is_archived_once(lane: Lane) -> None:
    async def body(world: World) -> None:
        await world.queue.accept([frame(1, lane), frame(2, lane), frame(1, lane)])
        await world.drained()
        await world.queue.accept([frame(2, lane)])
        await world.drained()
        assert [archived(world, frame(n)) for n in (1, 2)] == [bodies(1, 2), bodies(2, 2)]

    World().scenario(body)


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("first", [Lane.BOTH, Lane.BULK])
def test_a_frame_whose_answer_was_lost_is_archived_once_though_diverted_once(
    first: Lane, together: bool
) -> None:
    """Over its limit it travels the bulk lane, sent again or at first."""

    async def body(world: World) -> None:
        second = Lane.BULK if first is Lane.BOTH else Lane.BOTH
        await world.queue.accept([frame(1, first)])
        if not together:
            await world.drained()
        await world.queue.accept([frame(1, second), frame(2)])
        await world.drained()
        assert [archived(world, frame(n)) for n in (1, 2)] == [bodies(1, 2), bodies(2, 2)]
        assert world.hot.bodies(frame(1).header.key) == bodies(1, 2)

    World().scenario(body)


@pytest.mark.parametrize("operation", ["step", "insert", "clear", "remembered", "newest"])
@pytest.mark.parametrize("moment", ["before", "during", "after"])
def test_a_step_that_fails_is_repeated_and_doubles_nothing(operation: str, moment: str) -> None:
    async def body(world: World) -> None:
        for _ in range(3):
            world.faults.plan(operation, moment)  # type: ignore[arg-type]
        await world.queue.accept([frame(1), frame(2, Lane.BULK)])
        await world.drained()
        assert [archived(world, frame(n)) for n in (1, 2)] == [bodies(1, 2), bodies(2, 2)]
        assert world.bulk.rows == []

    World().scenario(body)


def test_a_step_that_a_crash_cut_short_is_made_again() -> None:
    async def body(world: World) -> None:
        world.faults.halt = ("row", 3)
        await world.queue.accept([frame(n, Lane.BULK) for n in range(4)])
        await world.until(lambda: world.faults.halted)
        await world.crash()
        await world.drained()
        assert [archived(world, frame(n)) for n in range(4)] == [bodies(n, 2) for n in range(4)]

    World().scenario(body)


def test_a_step_that_was_recorded_is_not_made_again_after_a_crash() -> None:
    async def body(world: World) -> None:
        world.faults.halt = ("recorded", 1)
        await world.queue.accept([frame(1), frame(2, Lane.BULK)])
        await world.until(lambda: world.faults.halted)
        await world.crash()
        await world.drained()
        assert [archived(world, frame(n)) for n in (1, 2)] == [bodies(1, 2), bodies(2, 2)]

    World().scenario(body)


def test_an_archived_frame_is_remembered_although_its_record_failed_at_first() -> None:
    async def body(world: World) -> None:
        world.faults.plan("remember", "before")
        await world.queue.accept([frame(1, Lane.BULK)])
        await world.drained()
        await world.queue.accept([frame(1, Lane.BULK)])
        await world.drained()
        assert archived(world, frame(1)) == bodies(1, 2)

    World().scenario(body)


@pytest.mark.parametrize("kind", ["short", "garbled", "twice"])
def test_a_repaired_frame_is_archived_as_the_hot_table_holds_it(kind: Kind) -> None:
    async def body(world: World) -> None:
        await world.queue.accept([frame(1, kind=kind)])
        await world.drained()
        assert archived(world, frame(1)) == expected_bodies(1, 2, kind)

    World().scenario(body)


def test_a_frame_with_more_rows_than_its_header_says_does_not_hold_the_archive_up() -> None:
    async def body(world: World) -> None:
        await world.queue.accept([frame(1, kind="long", rows=3)])
        await world.drained()
        assert archived(world, frame(1)) == bodies(1, 3)

    World().scenario(body)


@pytest.mark.parametrize("kind", ["short", "long", "garbled", "unreadable", "samples", "spoilt"])
def test_a_bulk_frame_that_reads_otherwise_does_not_hold_the_archive_up(kind: Kind) -> None:
    async def body(world: World) -> None:
        await world.queue.accept([frame(1, Lane.BULK, kind=kind), frame(2, Lane.BULK)])
        await world.drained()
        assert archived(world, frame(2)) == bodies(2, 2)

    World().scenario(body)


def test_a_dead_letter_is_not_archived() -> None:
    async def body(world: World) -> None:
        await world.queue.accept([frame(1, kind="unreadable"), frame(2)])
        await world.drained()
        assert [archived(world, frame(n)) for n in (1, 2)] == [[], bodies(2, 2)]

    World().scenario(body)


@pytest.mark.parametrize("lane", [Lane.BOTH, Lane.HOT, Lane.BULK])
def test_stop_drains_both_readers_whatever_the_last_frame_is(lane: Lane) -> None:
    async def body(world: World) -> None:
        await world.queue.accept([frame(1)])
        await world.drained()
        await world.queue.accept([frame(2, lane)])
        world.writer.stop()
        world.archiver.stop()
        async with asyncio.timeout(20):
            await asyncio.gather(*world.tasks)
        assert world.behind() == 0
        assert archived(world, frame(2)) == ([] if lane is Lane.HOT else bodies(2, 2))

    World().scenario(body)


def test_a_frame_sent_twice_is_found_by_the_ingest_time_it_was_stored_with() -> None:
    async def body(world: World) -> None:
        sent = frame(1)
        again = msgspec.structs.replace(
            sent, header=msgspec.structs.replace(sent.header, received_ns=1)
        )
        await world.queue.accept([sent])
        await world.queue.accept([again])
        await world.drained()
        assert archived(world, sent) == bodies(1, 2)

    World().scenario(body)
