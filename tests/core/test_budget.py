"""Bytes in flight are bounded, first come first served."""

from __future__ import annotations

import asyncio

import pytest

from tailrace.core.budget import ByteBudget
from tailrace.core.errors import Busy


async def hold(budget: ByteBudget, size: int, name: str, log: list[str], go: asyncio.Event) -> None:
    async with budget.hold(size):
        log.append(name)
        await go.wait()


def test_turns_are_taken_in_order_and_bytes_come_back() -> None:
    async def main() -> None:
        budget, log = ByteBudget(10), list[str]()
        gos = {name: asyncio.Event() for name in "abc"}
        async with asyncio.TaskGroup() as group:
            for name, size in (("a", 8), ("b", 5), ("c", 1)):
                group.create_task(hold(budget, size, name, log, gos[name]))
                await asyncio.sleep(0)
            assert log == ["a"]  # c would fit, but b came before
            gos["a"].set()
            while len(log) < 3:
                await asyncio.sleep(0)
            assert log == ["a", "b", "c"]
            gos["b"].set()
            gos["c"].set()
        assert budget.free_bytes == 10

    asyncio.run(main())


def test_waiting_too_long_is_busy_and_lets_others_pass() -> None:
    async def main() -> None:
        budget, log, go = ByteBudget(10, wait_s=0.01), list[str](), asyncio.Event()
        holder = asyncio.create_task(hold(budget, 8, "a", log, go))
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            async with budget.hold(5):
                pass
        async with budget.hold(2):
            assert budget.free_bytes == 0
        go.set()
        await holder
        assert budget.free_bytes == 10

    asyncio.run(main())


def test_a_waiter_cancelled_as_its_turn_comes_takes_nothing() -> None:
    async def main() -> None:
        budget, log, go = ByteBudget(10), list[str](), asyncio.Event()
        async with budget.hold(8):
            waiter = asyncio.create_task(hold(budget, 5, "b", log, go))
            await asyncio.sleep(0)
        assert budget.free_bytes == 5  # given to the waiter, which has not run yet
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter
        assert (log, budget.free_bytes) == ([], 10)

    asyncio.run(main())


class Time:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


async def tenant_hold(
    budget: ByteBudget, size: int, tenant: str, log: list[str], go: asyncio.Event
) -> None:
    async with budget.hold(size, tenant):
        log.append(tenant)
        await go.wait()


def test_who_holds_least_goes_next_and_of_equals_in_turns() -> None:
    async def main() -> None:
        budget, log, full = ByteBudget(4), list[str](), asyncio.Event()
        holder = asyncio.create_task(tenant_hold(budget, 4, "other", log, full))
        await asyncio.sleep(0)
        go = asyncio.Event()
        names = ["noisy"] * 6 + ["quiet", "third"]
        tasks = [asyncio.create_task(tenant_hold(budget, 1, n, log, go)) for n in names]
        await asyncio.sleep(0)
        full.set()
        while len(log) < 5:
            await asyncio.sleep(0)
        assert log == ["other", "noisy", "quiet", "third", "noisy"]
        go.set()
        await asyncio.gather(holder, *tasks)
        assert budget.free_bytes == 4
        assert budget.held("noisy") == 0

    asyncio.run(main())


def test_a_tenant_alone_has_all_and_leaves_a_reserve_once_another_was_there() -> None:
    async def main() -> None:
        time = Time()
        budget = ByteBudget(10, wait_s=0.01, reserve=3, now_s=time)
        async with budget.hold(5, "noisy"), budget.hold(5, "noisy"):
            assert budget.free_bytes == 0
        async with budget.hold(1, "quiet"):
            pass
        async with budget.hold(5, "noisy"):
            with pytest.raises(Busy):
                await budget.take(3, "noisy")
            async with budget.hold(2, "noisy"), budget.hold(3, "quiet"):
                assert budget.free_bytes == 0
            time.now_s += 1000
            async with budget.hold(5, "noisy"):
                assert budget.free_bytes == 0

    asyncio.run(main())


def test_nothing_held_is_given_back_twice() -> None:
    async def main() -> None:
        budget = ByteBudget(10)
        async with budget.hold(0, "a"), budget.hold(0, "a"), budget.hold(4, "a"):
            assert budget.held("a") == 4
        assert (budget.free_bytes, budget.held("a")) == (10, 0)

    asyncio.run(main())
