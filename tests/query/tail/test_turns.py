"""Turns are few in one pass of the event loop, fair, and survive who does not wait for theirs."""

from __future__ import annotations

import asyncio

import pytest

from tailrace.query.tail import turns
from tailrace.query.tail.turns import Turns


def test_few_take_their_turn_in_one_pass_in_the_order_they_came(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "EACH_PASS", 3)

    async def body() -> None:
        gate = Turns()
        order: list[int] = []

        async def one(number: int) -> None:
            await gate.take()
            order.append(number)

        tasks = [asyncio.create_task(one(number)) for number in range(20)]
        await asyncio.sleep(0)
        tasks[5].cancel()
        before = len(order)
        while len(order) < 19:
            await asyncio.sleep(0)
            assert len(order) - before <= 3
            before = len(order)
        assert order == [number for number in range(20) if number != 5]
        for _ in range(5):
            await asyncio.sleep(0)
        await one(20)
        assert order[-1] == 20

    asyncio.run(body())
