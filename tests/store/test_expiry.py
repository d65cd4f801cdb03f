"""Hot rows go when they are old and archived, and every answer stays as it was."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.examples import examples

from tailrace.core.contracts import Position
from tailrace.core.errors import StoreError
from tailrace.core.frame import Frame, Signal
from tailrace.store.engine import Engine
from tailrace.store.expiry import Archived
from tailrace.store.schema import HOT_TABLES
from tailrace.wire import samples, spans
from tailrace.wire.samples import Sample
from tailrace.wire.spans import Event, Link, Span

from .building import at, frame
from .conftest import Use
from .expiring import ALWAYS, DAY_NS, KEEP_DAYS, TODAY, In, Server, aged


def test_old_days_leave_the_hot_table_a_turn_after_the_horizon_was_raised(server: In) -> None:
    async def body(server: Server) -> None:
        await server.insert(*(aged(day, seq=day) for day in range(5)))
        before = await server.bodies()
        await server.expiry.turn()
        assert (len(before), len(await server.days())) == (5, 5)
        assert server.horizon.of(Signal.LOGS) == TODAY - KEEP_DAYS * DAY_NS
        assert await server.bodies() == before
        await server.expiry.turn()
        assert len(await server.days()) == KEEP_DAYS + 1
        assert await server.bodies() == before

    server(body)


def test_without_keep_nothing_goes(server: In) -> None:
    async def body(server: Server) -> None:
        await server.restart(keep_days=0)
        await server.insert(aged(0, 100))
        for _ in range(3):
            await server.expiry.turn()
        assert len(await server.hot_bodies()) == 2
        assert server.horizon.of(Signal.LOGS) == 0

    server(body)


def test_a_crash_between_record_and_drop_is_finished_also_without_keep(server: In) -> None:
    async def body(server: Server) -> None:
        await server.insert(aged(0), aged(9, seq=2))
        before = await server.bodies()
        await server.expiry.turn()
        assert len(await server.days()) == 2
        await server.restart(keep_days=0)
        assert await server.bodies() == before
        await server.expiry.turn()
        assert len(await server.days()) == 1
        assert await server.bodies() == before

    server(body)


def test_a_horizon_that_cannot_be_recorded_drops_nothing(
    server: In, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(server: Server) -> None:
        await server.insert(aged(9))

        def failing(time_ns: int, archived: Position) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr(server.horizon, "raise_to", failing)
            for _ in range(2):
                with pytest.raises(OSError, match="No space"):
                    await server.expiry.turn()
        assert len(await server.hot_bodies()) == 1

    server(body)


def test_while_the_archive_is_behind_nothing_goes(server: In) -> None:
    async def body(server: Server) -> None:
        await server.insert(aged(9))
        await server.expiry.turn()
        server.stuck = True
        await server.insert(aged(8, seq=2))
        for _ in range(2):
            await server.expiry.turn()
        assert len(await server.days()) == 2
        server.stuck = False
        await server.expiry.turn()
        assert await server.days() == []
        assert len(await server.bodies()) == 2

    server(body)


def test_a_row_that_comes_between_the_look_and_the_drop_is_kept_and_archived(server: In) -> None:
    async def body(server: Server) -> None:
        await server.insert(aged(9), aged(8, seq=2))
        await server.expiry.turn()
        late, caught_up = aged(9, seq=3, tenant="late"), server._caught_up

        async def late_caught_up() -> bool:
            found = await caught_up()
            await server.insert(late)
            return found

        server.expiry._archived = Archived(late_caught_up, lambda: server.archive.upto)
        await server.expiry.turn()
        # Its day waits for the next turn, the other one is gone.
        assert len(await server.days()) == 1
        await server.restart()
        await server.archived()
        await server.expiry.turn()
        assert await server.days() == []
        assert len(await server.bodies("late")) == 1
        assert len(await server.bodies()) == 2

    server(body)


def test_rows_of_the_future_that_share_an_old_day_stay(server: In) -> None:
    async def body(server: Server) -> None:
        old = TODAY - 9 * DAY_NS
        future = TODAY + 400 * DAY_NS
        await server.insert(
            at(old, future, received_ns=old), at(old + 2 * DAY_NS, seq=2, received_ns=old)
        )
        assert len(await server.days()) == 2  # the last row and the future share one
        before = await server.bodies()
        for _ in range(3):
            await server.expiry.turn()
        assert await server.hot_bodies() == {str(future)}
        assert await server.bodies() == before == [str(old), str(old + 2 * DAY_NS), str(future)]

    server(body)


def test_a_row_of_ages_ago_that_comes_now_is_answered_once(server: In) -> None:
    async def body(server: Server) -> None:
        await server.insert(aged(0), aged(9, seq=2))
        for _ in range(2):
            await server.expiry.turn()
        await server.insert(at(TODAY - 9 * DAY_NS, 5, seq=3))
        await server.archived()
        # Both are in the hot table now: one in a day of its own, one with what is 60 days old.
        assert len(await server.hot_bodies()) == 3
        assert sorted(await server.bodies()) == sorted(
            [
                str(5),
                str(TODAY - 9 * DAY_NS),
                *[str(int(TODAY + DAY_NS // 2 - d * DAY_NS)) for d in (0, 9)],
            ]
        )
        await server.expiry.turn()
        assert len(await server.hot_bodies()) == 1
        assert len(await server.bodies()) == 4

    server(body)


@pytest.mark.parametrize("signal", [Signal.SPANS, Signal.METRICS])
def test_what_leaves_with_its_day_is_the_same_in_the_archive(signal: Signal, server: In) -> None:
    async def body(server: Server) -> None:
        for seq, time in enumerate((TODAY - 9 * DAY_NS, TODAY), 1):
            await server.insert(measured(signal, time, seq))
        table = HOT_TABLES[signal]
        described = await server.engine.rows(f"DESCRIBE {table}")
        columns = {row[0]: row[1] for row in described}
        select = f"SELECT {', '.join(f'`{name}`' for name in columns)} FROM"
        before = await server.engine.rows(f"{select} {table} ORDER BY Timestamp")
        for _ in range(2):
            await server.expiry.turn()
        assert len(await server.days(signal)) == 1
        reached = await server.reach.of(signal, "default", *ALWAYS)
        assert "1 file" in reached.remarks[0]
        after = await server.engine.rows(f"{select} {reached.table} ORDER BY Timestamp")
        assert (len(before), after) == (2, before)
        described = await server.engine.rows(f"DESCRIBE {reached.table}")
        assert {row[0]: row[1] for row in described} == {**columns, "_part_offset": "UInt64"}

    server(body)


def measured(signal: Signal, time: int, seq: int) -> Frame:
    """A frame with one span, with all that a span may have, or one sample."""
    if signal is Signal.METRICS:
        data = samples.encode([Sample(time // 10**6 * 10**6, "cpu", 0.5, {"a'b": "c"})])
    else:
        event, link = Event(time, "began", {"k": "v"}), Link("cd" * 16, "ef" * 8, "s", {"l": "w"})
        data = spans.encode([
            Span(
                time, "GET", "ab" * 16, f"{seq:016x}", duration=7, attributes={"x": "y"},
                events=[event, event], links=[link],
            )
        ])  # fmt: skip
    return frame(data, seq, signal=signal, received_ns=time)


def test_only_the_files_of_the_tenant_and_the_time_are_read(server: In) -> None:
    async def body(server: Server) -> None:
        await server.insert(aged(9), aged(8, seq=2), aged(9, seq=3, tenant="other"))
        for _ in range(2):
            await server.expiry.turn()
        day = (TODAY - 9 * DAY_NS, TODAY - 8 * DAY_NS - 1)
        reached = await server.reach.of(Signal.LOGS, "default", *day)
        assert "tenant=other" not in reached.table
        assert reached.table.count(".parquet") == 1
        assert "FROM logs" not in reached.table
        assert len(await server.bodies(span=day)) == 1
        assert len(await server.bodies("other")) == 1
        assert await server.bodies("nobody") == []

    server(body)


def test_a_file_that_no_step_lists_is_not_read(server: In) -> None:
    async def body(server: Server) -> None:
        await server.insert(aged(9))
        for _ in range(2):
            await server.expiry.turn()
        [path] = (server.folder / "archive").rglob("*.parquet")
        (path.parent / "logs-000000000009-000000000009.parquet").write_bytes(path.read_bytes())
        assert len(await server.bodies()) == 1

    server(body)


def test_a_file_that_is_gone_is_an_error_and_not_a_shorter_answer(server: In) -> None:
    async def body(server: Server) -> None:
        await server.insert(aged(9), aged(8, seq=2))
        for _ in range(2):
            await server.expiry.turn()
        next((server.folder / "archive").rglob("*.parquet")).unlink()
        with pytest.raises(StoreError):
            await server.bodies()

    server(body)


ages = st.lists(
    st.sampled_from([-400.0, -1.0, 0.0, 0.25, 0.75, 1.0, 2.0, 2.5, 3.0, 5.0, 59.0, 70.0, 9_000.0]),
    min_size=1,
    max_size=3,
)
actions = st.lists(
    st.one_of(
        st.tuples(st.just("insert"), ages, st.sampled_from([0.0, 0.0, 3.0, 61.0])),
        st.tuples(st.just("archive")),
        st.tuples(st.just("turn")),
        st.tuples(st.just("stuck turn")),
        st.tuples(st.just("restart")),
        st.tuples(st.just("day")),
    ),
    max_size=14,
)


@settings(
    max_examples=examples(13),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(actions=actions, bound=st.sampled_from([0.0, 1.0, 2.0, 2.5, 4.0, 60.0]))
def test_whatever_happens_each_row_is_answered_once(
    use: Use, tmp_path_factory: pytest.TempPathFactory, actions: list[Any], bound: float
) -> None:
    async def body(_: Any, engine: Engine) -> None:
        server = Server(engine, tmp_path_factory.mktemp("expiry"))
        await server.restart()
        sent: list[int] = []
        for seq, (what, *values) in enumerate(actions, 1):
            now = server.clock.wall_ns()
            if what == "insert":
                times = [
                    int(max(now - age * DAY_NS, 1)) + seq * 100 + n
                    for n, age in enumerate(values[0])
                ]
                received = int(now - values[1] * DAY_NS)
                await server.insert(at(*times, seq=seq, received_ns=received))
                sent += times
            elif what == "archive":
                await server.archived()
            elif what == "turn":
                await server.expiry.turn()
            elif what == "stuck turn":
                server.stuck = True
                await server.expiry.turn()
                server.stuck = False
            elif what == "restart":
                await server.restart()
            else:
                server.clock.advance(86_400)
        # Nothing that waits for the archive is gone: it can still be archived.
        await server.archived()
        split = int(server.clock.wall_ns() - bound * DAY_NS)
        older = await server.bodies(span=(ALWAYS[0], split - 1))
        newer = await server.bodies(span=(split, ALWAYS[1]))
        assert older == [str(time) for time in sorted(sent) if time < split]
        assert newer == [str(time) for time in sorted(sent) if time >= split]
        assert sorted(await server.bodies(exact=True)) == sorted(map(str, sent))

    use(body)


def test_a_turn_that_is_cancelled_leaves_the_engine_usable(server: In) -> None:
    async def body(server: Server) -> None:
        await server.insert(aged(9))
        await server.expiry.turn()
        turn = asyncio.create_task(server.expiry.turn())
        await asyncio.sleep(0)
        turn.cancel()
        await asyncio.wait([turn])
        await server.expiry.turn()
        assert await server.days() == []

    server(body)


def test_conditions_and_columns_reach_the_indexes_and_the_files(server: In) -> None:
    async def body(server: Server) -> None:
        await server.insert(aged(0), aged(9, seq=2))
        for _ in range(2):
            await server.expiry.turn()
        table = (await server.reach.of(Signal.LOGS, "default", *ALWAYS)).table
        plan = await server.engine.rows(
            f"EXPLAIN indexes = 1, header = 1 SELECT Body FROM {table} "
            "WHERE Tenant = 'default' AND ServiceName = 'web' AND position(Body, 'x') > 0"
        )
        whole = "\n".join(str(row[0]) for row in plan)
        hot, _, file = whole.partition("ReadFromFile")
        assert "ServiceName in ['web', 'web']" in hot
        assert "ServiceName = 'web'" in file
        assert "Prewhere filter" in file
        assert "LogAttributes" not in whole

    server(body)
