"""Tenants and services leave the hot store at times of their own, and every answer stays whole."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tailrace.core.clock import Clock
from tailrace.core.errors import StoreError
from tailrace.core.frame import Signal
from tailrace.core.hours import Hours
from tailrace.store import expiry
from tailrace.store.engine import Engine
from tailrace.store.keep import Group, Keep, Kept, Which
from tailrace.wire import samples
from tailrace.wire.samples import Exemplar, Sample

from .building import at, frame
from .conftest import Use
from .expiring import ALWAYS, DAY_NS, TODAY, In, Server, aged

DAY_S = 86_400.0


def days(number: float) -> Kept:
    return Kept(number * DAY_S)


# Most stay a week, what is verbose a day, one tenant for ever.
KEEP = Keep({Which(): days(7), Which(service="debug"): days(1), Which("bank"): days(0)})


async def filled(server: Server, *ages: int) -> None:
    seq = 0
    for tenant in ("bank", "shop"):
        for service in ("debug", "web"):
            seq += 1
            await server.insert(aged(*ages, seq=seq, tenant=tenant, service=service))
    await merged(server)


async def merged(server: Server) -> None:
    """What goes and what stays are in the same parts."""
    await server.engine.write("OPTIMIZE TABLE logs FINAL")


async def hot(server: Server) -> set[tuple[str, str, int]]:
    """Tenant, service and age in days of what is in the hot table."""
    found = await server.engine.rows(
        "SELECT Tenant, ServiceName, toUnixTimestamp64Nano(Timestamp) FROM logs"
    )
    return {(t, s, round((TODAY + DAY_NS // 2 - ns) / DAY_NS)) for t, s, ns in found}


async def answers(server: Server) -> list[list[str]]:
    """Of each tenant: all rows, those of each service, and those of a few days."""
    few = (TODAY - 5 * DAY_NS, TODAY - 2 * DAY_NS)
    return [
        await server.bodies(tenant, span, service=service)
        for tenant in ("bank", "shop")
        for service in ("", "debug", "web")
        for span in (ALWAYS, few)
    ]


def test_each_group_goes_when_its_own_time_is_over(server: In) -> None:
    async def body(server: Server) -> None:
        await server.restart(keep=KEEP)
        ages = (0, 1, 3, 5, 8, 9)
        await filled(server, *ages)
        before = await answers(server)
        for _ in range(2):
            await server.expiry.turn()
            assert await answers(server) == before
        assert await hot(server) == {
            *(("bank", "web", age) for age in ages),
            *(("shop", "web", age) for age in ages if age <= 7),
            *((tenant, "debug", age) for tenant in ("bank", "shop") for age in (0, 1)),
        }
        await server.restart(keep=KEEP)
        assert await answers(server) == before

    server(body)


def test_a_query_of_one_service_opens_files_for_its_own_horizon_alone(server: In) -> None:
    async def body(server: Server) -> None:
        await server.restart(keep=KEEP)
        await filled(server, 0, 3, 9)
        await server.expiry.turn()
        span = (TODAY - 4 * DAY_NS, TODAY + DAY_NS)

        async def reached(tenant: str, service: str = "") -> Any:
            return await server.reach.of(Signal.LOGS, tenant, *span, service=service)

        assert (await reached("shop", "web")).hot_only
        assert not (await reached("shop", "debug")).hot_only
        whole = await reached("shop")
        assert "2026" not in whole.table
        [remark] = whole.remarks
        assert remark.startswith("answered from the archive before ")
        assert remark.count("T00:00:00Z") == 1
        [remark] = (await server.reach.of(Signal.LOGS, "shop", *ALWAYS)).remarks
        assert "Z to 2" in remark
        assert "by service" in remark
        assert (await server.reach.of(Signal.LOGS, "bank", *ALWAYS, service="web")).hot_only
        # Nothing is asked of the archive for the newest rows, whoever's they are.
        assert (await server.reach.of(Signal.LOGS, "shop", TODAY, ALWAYS[1])).hot_only

    server(body)


def test_what_goes_is_noted_before_by_tenant_and_service(server: In) -> None:
    async def body(server: Server) -> None:
        await server.restart(keep=KEEP)
        await filled(server, 0, 3, 9)
        for _ in range(2):
            await server.expiry.turn()
        found = sorted(
            (one.tenant, one.service, one.subject[-2:], one.rows, one.first_ns == one.last_ns)
            for one in server.noted.all.values()
        )
        assert [one[:2] for one in found] == [
            *[("bank", "debug")] * 2, ("shop", ""), *[("shop", "debug")] * 2,
        ]  # fmt: skip
        assert {one[3:] for one in found} == {(1, True)}
        assert all(one.bytes > 0 for one in server.noted.all.values())

        async def failing(deletions: Sequence[object]) -> None:
            raise StoreError("the record cannot be written")

        server.noted.note = failing  # type: ignore[assignment]
        server.clock.advance(9 * DAY_S)
        await server.expiry.turn()
        kept = await hot(server)
        with pytest.raises(StoreError, match="record cannot"):
            await server.expiry.turn()
        assert await hot(server) == kept

    server(body)


def test_over_its_bytes_a_tenant_loses_its_oldest_days_once_they_are_archived(server: In) -> None:
    async def body(server: Server) -> None:
        await server.restart(keep=Keep({Which("shop"): Kept(bytes=1)}))
        await filled(server, 0, 1, 3, 5)
        before = await answers(server)
        server.stuck = True
        await server.expiry.turn()
        await server.expiry.turn()
        assert len(await hot(server)) == 16
        server.stuck = False
        for _ in range(2):
            await server.expiry.turn()
            assert await answers(server) == before
        # What a day holds of both is written anew, and today and yesterday stay.
        assert {age for tenant, _, age in await hot(server) if tenant == "shop"} == {0, 1}
        assert {age for tenant, _, age in await hot(server) if tenant == "bank"} == {0, 1, 3, 5}
        # All of it, by what the parts take.
        await server.restart(keep=Keep({Which(): Kept(bytes=1)}))
        for _ in range(2):
            await server.expiry.turn()
        assert {age for *_, age in await hot(server)} == {0, 1}
        assert await answers(server) == before

    server(body)


def test_outside_of_its_hours_nothing_is_written_anew(server: In) -> None:
    async def body(server: Server) -> None:
        await server.restart(keep=KEEP)
        await filled(server, 0, 3, 9)
        server.expiry._rewriting = Hours(0.0, 0.0)
        for _ in range(2):
            await server.expiry.turn()
        assert {age for *_, age in await hot(server)} == {0, 3, 9}
        server.expiry._rewriting = Hours()
        await server.expiry.turn()
        assert ("shop", "web", 9) not in await hot(server)

    server(body)


def test_a_few_days_are_written_anew_in_a_turn(server: In, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiry.limits, "DAYS_REWRITTEN", 2)

    async def body(server: Server) -> None:
        await server.restart(keep=KEEP)
        await filled(server, 0, 3, 4, 5)
        found = []
        for _ in range(3):
            await server.expiry.turn()
            found.append({age for _, service, age in await hot(server) if service == "debug"})
        assert found == [{0, 3, 4, 5}, {0, 3}, {0}]

    server(body)


def test_a_part_is_not_written_anew_for_a_few_rows(server: In) -> None:
    async def body(server: Server) -> None:
        await server.restart(keep=Keep({Which("shop", "debug"): days(1)}))
        old = TODAY - 3 * DAY_NS
        many = [old + number for number in range(30)]
        await server.insert(
            at(*many, seq=1, tenant="shop", service="web"),
            at(old + 99, seq=2, tenant="shop", service="debug"),
        )
        await merged(server)
        before = await server.bodies("shop")
        for _ in range(2):
            await server.expiry.turn()
        assert len(await server.hot_bodies()) == 31
        assert await server.bodies("shop") == before

    server(body)


def test_rows_that_keep_coming_into_an_old_day_do_not_keep_the_others(server: In) -> None:
    async def body(server: Server) -> None:
        await server.insert(aged(9), aged(8, seq=2))
        await server.expiry.turn()
        await server.engine.write("SYSTEM STOP MERGES logs")
        try:
            await _disturbed(server)
        finally:
            await server.engine.write("SYSTEM START MERGES logs")
        before = await server.bodies("late")
        await server.archived()
        await server.expiry.turn()
        assert await server.days() == []
        assert [len(before), len(await server.bodies("late"))] == [0, 1]
        assert len(await server.bodies()) == 2

    server(body)


async def _disturbed(server: Server) -> None:
    """A turn while which a row comes into the oldest day."""
    caught_up = server._caught_up

    async def late_caught_up() -> bool:
        found = await caught_up()
        await server.insert(aged(9, seq=3, tenant="late"))
        return found

    server.expiry._archived = expiry.Archived(late_caught_up, lambda: server.archive.upto)
    await server.expiry.turn()
    server.expiry._archived = expiry.Archived(caught_up, lambda: server.archive.upto)
    # The day's part of before went, the new one waits until it is archived.
    rows = await server.engine.rows("SELECT Tenant FROM logs")
    assert rows == [("late",)]


def test_exemplars_go_with_the_samples_of_their_tenant(server: In) -> None:
    async def body(server: Server) -> None:
        await server.restart(keep=Keep({Which(): days(7), Which("shop"): days(2)}))
        seq = 0
        for tenant in ("shop", "other"):
            for age in (0, 4, 9):
                seq += 1
                time = TODAY - age * DAY_NS
                one = Sample(time, "cpu", 0.5, exemplars=[Exemplar(time, 1.0, "ab" * 16)])
                data = samples.encode([one])
                await server.insert(
                    frame(data, seq, signal=Signal.METRICS, tenant=tenant, received_ns=TODAY)
                )
        for _ in range(2):
            await server.expiry.turn()
        for table in ("samples", "exemplars"):
            rows = await server.engine.rows(f"SELECT Tenant, count() FROM {table} GROUP BY ALL")
            assert dict(rows) == {"shop": 1, "other": 2}

    server(body)


def test_thirty_days_and_more_in_one_batch_are_inserted_archived_and_dropped(server: In) -> None:
    async def body(server: Server) -> None:
        ages = [*range(31), 61, 400, -400]
        now = TODAY + DAY_NS // 2
        await server.insert(at(*(now - age * DAY_NS for age in ages), received_ns=now))
        before = await server.bodies()
        assert len(before) == len(ages)
        for _ in range(2):
            await server.expiry.turn()
        assert await server.bodies() == before
        assert len(await server.days()) == 4
        # Some of these days again, later than they are kept.
        late = [now - age * DAY_NS + 1 for age in (0, 9, 400)]
        await server.insert(at(*late, seq=2, received_ns=now))
        await server.archived()
        both = await server.bodies()
        assert sorted(both) == sorted([*before, *map(str, late)])
        await server.expiry.turn()
        assert await server.bodies() == both
        assert len(await server.days()) == 4

    server(body)


class Killed(BaseException):
    """The process is gone."""


class Killing:
    """Ends what runs before or after the given number of effects."""

    def __init__(self, server: Server, effects: int, *, after: bool) -> None:
        self._left = effects
        self._after = after
        engine, horizon, noted = server.engine, server.horizon, server.noted
        self._undo = [(engine, "write_if"), (engine, "write")]
        engine.write_if = self._around(engine.write_if)  # type: ignore[method-assign]
        engine.write = self._around(engine.write)  # type: ignore[method-assign]
        noted.note = self._around(noted.note)  # type: ignore[method-assign]
        self._undo.append((noted, "note"))
        raise_to = horizon.raise_to

        def raised(*arguments: Any) -> None:
            self._before()
            raise_to(*arguments)
            self._done()

        horizon.raise_to = raised  # type: ignore[method-assign]

    def _around(self, function: Callable[..., Awaitable[Any]]) -> Any:
        async def around(*arguments: Any) -> Any:
            self._before()
            found = await function(*arguments)
            self._done()
            return found

        return around

    def _before(self) -> None:
        self._left -= 1
        if self._left < 0 and not self._after:
            raise Killed

    def _done(self) -> None:
        if self._left < 0 and self._after:
            raise Killed

    def undo(self) -> None:
        for one, name in self._undo:
            vars(one).pop(name, None)


tenants, services = st.sampled_from(["a", "b"]), st.sampled_from(["s", "t", ""])
ages = st.lists(
    st.sampled_from([-400.0, -1.0, 0.0, 0.75, 1.0, 2.5, 3.0, 5.0, 59.0, 70.0, 9_000.0]),
    min_size=1, max_size=3,
)  # fmt: skip
keeps = st.builds(
    Keep,
    st.dictionaries(
        st.builds(
            Which, st.none() | tenants, st.none() | st.sampled_from(["s", "t"]),
        ),
        st.builds(
            Kept, st.sampled_from([None, 0.0, DAY_S, 2.5 * DAY_S, 4 * DAY_S]),
            st.sampled_from([None, None, 0, 1, 1_500]),
        ),
        max_size=3,
    ),
)  # fmt: skip
actions = st.lists(
    st.one_of(
        st.tuples(st.just("insert"), tenants, services, ages, st.sampled_from([0.0, 0.0, 61.0])),
        st.tuples(st.just("archive")),
        st.tuples(st.just("turn")),
        st.tuples(st.just("turn")),
        st.tuples(st.just("stuck turn")),
        st.tuples(st.just("merge")),
        st.tuples(st.just("kill"), st.integers(0, 8), st.booleans()),
        st.tuples(st.just("restart"), keeps),
        st.tuples(st.just("days"), st.sampled_from([1, 2])),
    ),
    max_size=14,
)


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(keep=keeps, actions=actions, bound=st.sampled_from([0.0, 1.0, 2.5, 4.0, 60.0]))
def test_whatever_is_kept_and_killed_each_row_is_answered_once(
    use: Use,
    tmp_path_factory: pytest.TempPathFactory,
    keep: Keep,
    actions: list[Any],
    bound: float,
) -> None:
    async def body(_: Any, engine: Engine) -> None:
        server = Server(engine, tmp_path_factory.mktemp("groups"))
        model = _Model(server, keep)
        await server.restart(keep=keep)
        for seq, (what, *values) in enumerate(actions, 1):
            await model.act(seq, what, values)
        await server.archived()
        await model.check(int(server.clock.wall_ns() - bound * DAY_NS))

    use(body)


class _Model:
    """All rows that were ever sent, by tenant and service."""

    def __init__(self, server: Server, keep: Keep) -> None:
        self._server = server
        self._keep = keep
        self._sent: list[tuple[str, str, int]] = []

    async def act(self, seq: int, what: str, values: list[Any]) -> None:
        server = self._server
        clock: Clock = server.clock
        if what == "insert":
            await self._insert(seq, clock.wall_ns(), *values)
        elif what == "archive":
            await server.archived()
        elif what == "restart":
            [self._keep] = values
            await server.restart(keep=self._keep)
        elif what == "days":
            server.clock.advance(values[0] * 86_400)
        elif what == "merge":
            await merged(server)
        elif what == "kill":
            await self._killed(*values)
        else:
            server.stuck = what == "stuck turn"
            await server.expiry.turn()
            server.stuck = False

    async def _insert(
        self, seq: int, now: int, tenant: str, service: str, ages: list[float], late: float
    ) -> None:
        times = [int(max(now - age * DAY_NS, 1)) + seq * 100 + n for n, age in enumerate(ages)]
        received = int(now - late * DAY_NS)
        await self._server.insert(
            at(*times, seq=seq, tenant=tenant, service=service, received_ns=received)
        )
        self._sent += [(tenant, service, time) for time in times]

    async def _killed(self, effects: int, after: bool) -> None:
        killing = Killing(self._server, effects, after=after)
        try:
            await self._server.expiry.turn()
        except Killed:
            pass
        finally:
            killing.undo()
        await self._server.restart(keep=self._keep)

    async def check(self, split: int) -> None:
        for tenant in ("a", "b"):
            for service in ("", "s", "t"):
                mine = sorted(
                    time for whose, of, time in self._sent
                    if whose == tenant and service in ("", of)
                )  # fmt: skip
                ask = {"tenant": tenant, "service": service}
                older = await self._server.bodies(span=(ALWAYS[0], split - 1), **ask)
                newer = await self._server.bodies(span=(split, ALWAYS[1]), **ask)
                assert older == [str(time) for time in mine if time < split]
                assert newer == [str(time) for time in mine if time >= split]


def test_what_was_kept_longer_before_is_not_looked_for_where_it_is_gone(server: In) -> None:
    async def body(server: Server) -> None:
        await server.restart(keep=Keep({Which(): days(7), Which(service="debug"): days(1)}))
        await filled(server, 0, 3, 9)
        before = await answers(server)
        for _ in range(2):
            await server.expiry.turn()
        # A tenant that stays longer from now on, also with what is verbose: what is gone is gone.
        keep = Keep({Which(): days(7), Which("shop"): days(90), Which("shop", "debug"): days(90)})
        await server.restart(keep=keep)
        for _ in range(2):
            await server.expiry.turn()
            assert await answers(server) == before
        assert server.horizon.of(Signal.LOGS, Group("shop", "debug")) == TODAY - DAY_NS

    server(body)
