"""A tenant with many requests delays another's by no more than one of its own at each step."""

from __future__ import annotations

import asyncio
import threading

import pytest
from doors import MemorySink

from tailrace.core.clock import ManualClock
from tailrace.core.errors import InputError
from tailrace.core.metrics import Metrics
from tailrace.core.work import Work
from tailrace.gateway.door import Door

SMALL, LARGE = 100, 1_000_000


def test_small_bodies_are_decoded_in_turns_of_the_tenants() -> None:
    async def main() -> None:
        work, order = Work("gateway"), list[str]()
        names = ["noisy"] * 50 + ["quiet"]
        runs = [work.run(SMALL, False, name, lambda n=name: order.append(n)) for name in names]
        await asyncio.gather(*runs)
        assert order.index("quiet") <= 2
        assert len(order) == 51
        work.close()

    asyncio.run(main())


def test_between_two_bodies_on_the_loop_it_looks_for_what_is_new() -> None:
    async def main() -> None:
        work, order = Work("gateway"), list[str]()

        def first() -> None:
            order.append("first")
            asyncio.get_running_loop().call_soon(order.append, "new")

        tasks = [first, *(lambda n=n: order.append(f"noisy {n}") for n in range(5))]
        await asyncio.gather(*(work.run(SMALL, False, "noisy", task) for task in tasks))
        assert order.index("new") <= 1
        work.close()

    asyncio.run(main())


def test_a_thread_is_free_for_whoever_comes_once_several_tenants_send() -> None:
    async def main() -> None:
        work, go = Work("gateway"), threading.Event()
        await work.run(LARGE, False, "quiet", lambda: None)
        held = [asyncio.create_task(work.run(LARGE, False, "noisy", go.wait)) for _ in range(9)]
        await asyncio.sleep(0)
        async with asyncio.timeout(10):
            assert await work.run(LARGE, False, "quiet", lambda: "done") == "done"
        assert not any(task.done() for task in held)
        go.set()
        await asyncio.gather(*held)
        work.close()

    asyncio.run(main())


def test_a_tenant_alone_has_both_threads() -> None:
    async def main() -> None:
        work, both = Work("gateway"), threading.Barrier(2)
        async with asyncio.timeout(10):
            await asyncio.gather(*(work.run(LARGE, False, "one", both.wait) for _ in range(2)))
        work.close()

    asyncio.run(main())


def test_what_a_decoder_did_not_foresee_gives_its_turn_back() -> None:
    async def main() -> None:
        work = Work("gateway")
        for size in (SMALL, LARGE):
            for _ in range(4):
                with pytest.raises(InputError, match="malformed"):
                    await work.run(size, False, "a", lambda: 1 // 0)
        work.close()

    asyncio.run(main())


def test_of_what_has_arrived_a_tenant_has_only_so_much_in_work_while_another_sends() -> None:
    async def main() -> None:
        door = Door(MemorySink(), ManualClock(), Metrics())
        at_it: list[str] = []
        go = asyncio.Event()

        async def request(tenant: str) -> None:
            async with door.bodies.turn(tenant, LARGE):
                at_it.append(tenant)
                await go.wait()

        async with door.bodies.turn("quiet", SMALL):
            pass
        tasks = [asyncio.create_task(request("noisy")) for _ in range(30)]
        tasks.append(asyncio.create_task(request("quiet")))
        for _ in range(10):
            await asyncio.sleep(0)
        assert at_it.count("noisy") <= 2
        assert at_it.count("quiet") == 1
        go.set()
        await asyncio.gather(*tasks)
        door.close()

    asyncio.run(main())
