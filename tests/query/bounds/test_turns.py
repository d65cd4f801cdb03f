"""Who runs next, with queries that end when the test says so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.examples import examples

from tailrace.core.errors import Busy
from tailrace.core.metrics import Metrics
from tailrace.query.bounds.allowance import Allowance, Policy
from tailrace.query.bounds.turns import Turns


class Place:
    """Queries by name, such as "noisy1"; the letters are the tenant."""

    def __init__(self, policy: Policy) -> None:
        self.metrics = Metrics()
        self.turns = Turns(policy, self.metrics)
        self.running: list[str] = []
        self.begun: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self._over: dict[str, asyncio.Event] = {}

    async def ask(self, *names: str) -> None:
        for name in names:
            self._over[name] = asyncio.Event()
            self.tasks[name] = asyncio.create_task(self._query(name))
            await settle()

    async def _query(self, name: str) -> None:
        async with self.turns.turn(name.rstrip("0123456789")):
            self.running.append(name)
            self.begun.append(name)
            try:
                await self._over[name].wait()
            finally:
                self.running.remove(name)

    async def end(self, name: str) -> None:
        self._over[name].set()
        await self.tasks[name]
        await settle()

    async def leave(self, name: str) -> None:
        self.tasks[name].cancel()
        await asyncio.wait([self.tasks[name]])
        await settle()

    @property
    def waiting(self) -> int:
        return int(self.metrics.get("tailrace_query_waiting"))


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def scenario(body: Callable[[Place], Awaitable[None]], policy: Policy | None = None) -> None:
    async def whole() -> None:
        place = Place(policy or Policy())
        await body(place)
        for name in list(place.tasks):
            await place.leave(name)
        await place.ask("after1", "after2", "after3")
        assert place.running == ["after1", "after2", "after3"]
        for name in list(place.running):
            await place.leave(name)

    asyncio.run(whole())


def noisy(count: int, first: int = 1) -> list[str]:
    return [f"noisy{n}" for n in range(first, first + count)]


def test_a_tenant_that_floods_leaves_a_place_for_another() -> None:
    async def body(place: Place) -> None:
        await place.ask(*noisy(20), "quiet1")
        assert place.running == [*noisy(3), "quiet1"]
        assert place.waiting == 17

    scenario(body)


def test_a_small_query_waits_for_one_running_query_at_most() -> None:
    async def body(place: Place) -> None:
        await place.ask(*noisy(20), *(f"loud{n}" for n in range(1, 21)), "quiet1")
        assert place.running == [*noisy(3), "loud1"]
        await place.end("noisy1")
        assert place.running == ["noisy2", "noisy3", "loud1", "quiet1"]

    scenario(body)


def test_what_waits_is_taken_round_the_tenants() -> None:
    async def body(place: Place) -> None:
        names = [f"{tenant}{n}" for tenant in "abc" for n in range(1, 5)]
        await place.ask("x1", *names)
        while place.running:
            await place.end(place.running[0])
        order = "x1 a1 a2 a3 b1 c1 a4 b2 c2 b3 c3 b4 c4"
        assert place.begun == order.split()

    scenario(body)


def test_of_one_tenant_first_come_is_first_served() -> None:
    async def body(place: Place) -> None:
        await place.ask(*noisy(12))
        while place.running:
            await place.end(place.running[0])
        assert place.begun == noisy(12)

    scenario(body)


def test_a_tenant_of_whom_too_many_wait_is_told_to_come_again() -> None:
    async def body(place: Place) -> None:
        await place.ask(*noisy(6))
        with pytest.raises(Busy, match=r"2 queries of the tenant wait already \(query.waiting\)"):
            await place.tasks["noisy6"]
        await place.ask("quiet1")
        assert "quiet1" in place.running

    scenario(body, Policy(Allowance(waiting=2)))


def test_who_waits_too_long_is_told_to_come_again() -> None:
    async def body(place: Place) -> None:
        await place.ask(*noisy(4))
        with pytest.raises(Busy, match=r"query.wait") as refused:
            await place.tasks["noisy4"]
        assert not refused.value.overload
        assert place.waiting == 0

    scenario(body, Policy(wait_s=0.01))


def test_who_leaves_while_it_waits_is_passed_over() -> None:
    async def body(place: Place) -> None:
        await place.ask(*noisy(6))
        await place.leave("noisy4")
        await place.end("noisy1")
        assert place.running == ["noisy2", "noisy3", "noisy5"]

    scenario(body)


def test_who_leaves_at_the_moment_of_its_turn_gives_it_on() -> None:
    async def body(place: Place) -> None:
        await place.ask(*noisy(5))
        place._over["noisy1"].set()
        while "noisy1" in place.running:
            await asyncio.sleep(0)
        place.tasks["noisy4"].cancel()
        await settle()
        assert place.running == ["noisy2", "noisy3", "noisy5"]

    scenario(body)


def test_a_named_tenant_has_its_own_share() -> None:
    async def body(place: Place) -> None:
        await place.ask(*noisy(3), "quiet1", "quiet2")
        assert place.running == ["noisy1", "quiet1", "quiet2"]

    scenario(body, Policy(tenants={"noisy": Allowance(running=1)}))


steps = st.lists(
    st.tuples(st.sampled_from(["ask", "end", "leave"]), st.integers(0, 30), st.sampled_from("abc")),
    max_size=60,
)


@settings(max_examples=examples(40), deadline=None)
@given(steps)
def test_no_place_stays_empty_while_somebody_may_take_it(
    done: list[tuple[str, int, str]],
) -> None:
    policy = Policy(Allowance(waiting=5))

    async def body(place: Place) -> None:
        waiting: list[str] = []
        for number, (action, which, tenant) in enumerate(done):
            if action == "ask":
                await place.ask(f"{tenant}{number}")
            elif action == "end" and place.running:
                await place.end(place.running[which % len(place.running)])
            elif action == "leave" and waiting:
                await place.leave(waiting[which % len(waiting)])
            alive = [name for name, task in place.tasks.items() if not task.done()]
            waiting = [name for name in alive if name not in place.running]
            held = [name[0] for name in place.running]
            assert len(held) <= policy.running
            assert all(held.count(one) <= 3 for one in held)
            assert place.waiting == len(waiting)
            full = len(held) == policy.running
            assert full or all(held.count(name[0]) == 3 for name in waiting)
        for tenant in "abc":
            order = [int(name[1:]) for name in place.begun if name[0] == tenant]
            assert all(one < other for one, other in pairwise(order))

    scenario(body, policy)
