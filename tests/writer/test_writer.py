"""What the hot lane's writer promises, one sentence each."""

from __future__ import annotations

import asyncio
import errno

import pytest

from tailrace.core import limits
from tailrace.core.frame import Frame, Lane

from .building import Kind, World, bodies, expected_bodies, frame


def stored(world: World, sent: Frame) -> list[str]:
    return world.hot.bodies(sent.header.key)


def damaged(world: World) -> list[str]:
    return [row.body for row in world.hot.rows if row.damaged]


def test_frames_that_wait_together_are_inserted_together() -> None:
    async def body(world: World) -> None:
        await world.queue.accept([frame(n) for n in range(20)])
        await world.drained()
        assert len(world.hot.inserts) == 1
        assert sorted(row.body for row in world.hot.rows) == sorted(
            body for n in range(20) for body in bodies(n, 2)
        )

    World().scenario(body)


def test_an_insert_holds_no_more_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [frame(n) for n in range(10)]
    monkeypatch.setattr(limits, "INSERT_BYTES", 3 * frames[0].header.bytes)

    async def body(world: World) -> None:
        await world.queue.accept(frames)
        await world.drained()
        assert [len(keys) for keys in world.hot.inserts] == [3, 3, 3, 1]

    World().scenario(body)


def test_a_frame_is_stored_at_most_a_second_after_it_was_accepted() -> None:
    async def body(world: World) -> None:
        await asyncio.sleep(10)
        await world.queue.accept([frame(1)])
        await world.until(lambda: bool(stored(world, frame(1))), limit_s=1.0)

    World().scenario(body)


def test_frames_that_somebody_waits_for_wait_for_no_company_and_others_do() -> None:
    async def body(world: World) -> None:
        loop = asyncio.get_running_loop()
        for number, hurry in ((1, True), (2, False), (3, True)):
            await asyncio.sleep(10)
            await world.queue.accept([frame(number)])
            began_s = loop.time()
            assert await world.queue.passed("writer", 5.0, hurry)
            assert (loop.time() - began_s < limits.INSERT_WAIT_S / 4) is hurry
            assert stored(world, frame(number)) == bodies(number, 2)

    World().scenario(body)


@pytest.mark.parametrize("kind", ["short", "long", "garbled"])
def test_a_frame_whose_rows_differ_from_its_header_goes_the_slow_way_and_is_stored_whole(
    kind: Kind,
) -> None:
    async def body(world: World) -> None:
        odd = frame(2, rows=3, kind=kind, lane=Lane.HOT)
        await world.queue.accept([frame(1), odd, frame(3)])
        await world.drained()
        assert stored(world, odd) == expected_bodies(2, 3, kind)
        assert world.metrics.get("tailrace_writer_repaired_total") == 1

    World().scenario(body)


def test_the_slow_way_of_one_frame_leaves_its_neighbours_as_they_were_sent() -> None:
    async def body(world: World) -> None:
        await world.queue.accept([frame(1), frame(2, kind="garbled"), frame(3, kind="lines")])
        await world.drained()
        assert damaged(world) == ["2.1!"]
        assert [stored(world, frame(n)) for n in (1, 3)] == [bodies(1, 2), bodies(3, 2)]

    World().scenario(body)


def test_an_unreadable_frame_becomes_a_dead_letter_with_its_reason() -> None:
    async def body(world: World) -> None:
        await world.queue.accept([frame(1, kind="unreadable")])
        await world.drained()
        assert world.buried() == [(1, "unreadable: zstd")]
        assert world.hot.rows == []

    World().scenario(body)


def test_an_unreadable_frame_does_not_hold_up_the_rest() -> None:
    async def body(world: World) -> None:
        frames = [frame(n, kind="unreadable" if n == 2 else "records") for n in range(5)]
        await world.queue.accept(frames)
        await world.drained(limit_s=10)
        assert {row.key[3] for row in world.hot.rows} == {0, 1, 3, 4}

    World().scenario(body)


def test_a_frame_that_the_engine_takes_in_no_form_does_not_hold_up_the_rest() -> None:
    async def body(world: World) -> None:
        await world.queue.accept([frame(1, kind="refused"), frame(2)])
        await world.drained()
        assert stored(world, frame(2)) == bodies(2, 2)
        assert [seq for seq, _ in world.buried()] == [1]

    World().scenario(body)


def test_a_damaged_frame_of_metrics_does_not_cost_its_neighbours_of_either_signal() -> None:
    async def body(world: World) -> None:
        kinds: list[Kind] = ["records", "samples", "spoilt", "twice", "samples", "lines"]
        await world.queue.accept([frame(n, kind=kind) for n, kind in enumerate(kinds)])
        await world.drained(limit_s=10)
        for n, kind in enumerate(kinds):
            assert stored(world, frame(n, kind=kind)) == expected_bodies(n, 2, kind)
        assert world.buried() == [(2, "unreadable: field")]
        assert world.metrics.get("tailrace_writer_repaired_total") == 1

    World().scenario(body)


def test_metrics_that_the_engine_has_no_room_for_wait_and_are_no_dead_letters() -> None:
    async def body(world: World) -> None:
        world.faults.down = {"insert"}
        await world.queue.accept([frame(1, kind="samples")])
        await asyncio.sleep(60)
        assert world.buried() == []
        world.faults.down = set()
        await world.drained()
        assert stored(world, frame(1, kind="samples")) == bodies(1, 2)

    World().scenario(body)


def test_an_engine_that_is_down_is_asked_less_and_less_often() -> None:
    async def body(world: World) -> None:
        world.faults.down = {"insert"}
        await world.queue.accept([frame(1)])
        calls = []
        for _ in range(3):
            before = world.faults.calls["insert"]
            await asyncio.sleep(10)
            calls.append(world.faults.calls["insert"] - before)
        assert calls[0] > calls[1] == calls[2] > 0

    World().scenario(body)


@pytest.mark.parametrize("moment", ["before", "during", "after"])
def test_an_insert_that_fails_is_repeated_and_doubles_nothing(moment: str) -> None:
    async def body(world: World) -> None:
        for _ in range(7):
            world.faults.plan("insert", moment)  # type: ignore[arg-type]
        await world.queue.accept([frame(n, rows=3) for n in range(4)])
        await world.drained()
        assert [stored(world, frame(n)) for n in range(4)] == [bodies(n, 3) for n in range(4)]

    World(seed=5).scenario(body)


def test_a_frame_whose_insert_failed_once_is_stored_as_it_was_sent() -> None:
    async def body(world: World) -> None:
        world.faults.plan("insert", "before")
        await world.queue.accept([frame(1, kind="lines")])
        await world.drained()
        assert damaged(world) == []

    World().scenario(body)


@pytest.mark.parametrize("operation", ["stored", "remembered", "newest", "remove", "remember"])
def test_a_failure_beside_the_insert_doubles_nothing(operation: str) -> None:
    async def body(world: World) -> None:
        for _ in range(3):
            world.faults.plan(operation, "before")
        world.faults.plan("insert", "during")
        await world.queue.accept([frame(1), frame(2), frame(1)])
        await world.drained()
        assert [stored(world, frame(n)) for n in (1, 2)] == [bodies(1, 2), bodies(2, 2)]

    World().scenario(body)


def test_a_frame_that_is_sent_again_is_left_out_and_counted() -> None:
    async def body(world: World) -> None:
        await world.queue.accept([frame(1), frame(1)])
        await world.drained()
        await world.queue.accept([frame(1)])
        await world.drained()
        assert stored(world, frame(1)) == bodies(1, 2)
        assert world.metrics.get("tailrace_writer_duplicates_total") == 2

    World().scenario(body)


def test_a_frame_that_is_sent_again_to_the_next_process_is_left_out() -> None:
    async def body(world: World) -> None:
        await world.queue.accept([frame(1)])
        await world.drained()
        await world.crash()
        await world.queue.accept([frame(1)])
        await world.drained()
        assert stored(world, frame(1)) == bodies(1, 2)

    World().scenario(body)


def test_frames_that_arrive_out_of_order_are_all_stored() -> None:
    async def body(world: World) -> None:
        for n in (5, 1, 9, 3):
            await world.queue.accept([frame(n)])
            await world.drained()
        assert {row.key[3] for row in world.hot.rows} == {1, 3, 5, 9}

    World().scenario(body)


def test_an_insert_that_a_crash_cut_short_is_made_whole() -> None:
    async def body(world: World) -> None:
        world.faults.halt = ("row", 5)
        await world.queue.accept([frame(n, rows=3) for n in range(4)])
        await world.until(lambda: world.faults.halted)
        await world.crash()
        await world.drained()
        assert [stored(world, frame(n)) for n in range(4)] == [bodies(n, 3) for n in range(4)]

    World().scenario(body)


def test_a_position_that_cannot_be_stored_doubles_nothing() -> None:
    async def body(world: World) -> None:
        await world.queue.accept([frame(1)])
        for _ in range(3):
            world.files.fail("write", errno.ENOSPC)
        await world.drained()
        assert stored(world, frame(1)) == bodies(1, 2)

    World().scenario(body)


def test_a_writer_outlives_dead_letters_that_are_full() -> None:
    async def body(world: World) -> None:
        await world.queue.accept([frame(1, kind="unreadable"), frame(2)])
        await asyncio.sleep(60)
        world.check_alive()

    world = World()
    world.options = {"dead_letter_bytes": 10}
    world.scenario(body)


def test_a_writer_outlives_a_read_that_found_no_descriptor() -> None:
    async def body(world: World) -> None:
        world.files.fail("read", errno.EMFILE)
        await world.queue.accept([frame(1)])
        await world.until(lambda: bool(stored(world, frame(1))))
        assert stored(world, frame(1)) == bodies(1, 2)

    World().scenario(body, archiving=False)


def test_stop_stores_what_was_accepted_before_it_returns() -> None:
    async def body(world: World) -> None:
        await world.queue.accept([frame(n) for n in range(50)])
        world.writer.stop()
        async with asyncio.timeout(20):
            await world.tasks[0]
        assert {row.key[3] for row in world.hot.rows} == set(range(50))
        assert await world.reader.lag_bytes() == 0

    World().scenario(body, archiving=False)


def test_stop_waits_for_an_engine_that_is_down_rather_than_lose() -> None:
    async def body(world: World) -> None:
        world.faults.down = {"insert"}
        await world.queue.accept([frame(1)])
        world.writer.stop()
        await asyncio.sleep(30)
        assert not world.tasks[0].done()
        world.faults.down = set()
        async with asyncio.timeout(20):
            await world.tasks[0]
        assert stored(world, frame(1)) == bodies(1, 2)

    World().scenario(body, archiving=False)
