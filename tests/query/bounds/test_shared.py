"""Statements that several ask at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tailrace.core import limits
from tailrace.core.bounds import USUAL, Terms, Used
from tailrace.core.clock import ManualClock
from tailrace.core.errors import StoreError
from tailrace.core.metrics import Metrics
from tailrace.query.bounds.allowance import Allowance, Policy
from tailrace.query.bounds.question import Question, asking
from tailrace.query.plan import Statement
from tailrace.query.service import QueryService

COUNT = Statement("SELECT count() FROM logs WHERE Tenant = {p0:String}", {"p0": "shop"})
MANY = Policy(Allowance(running=20), running=20)


class Slow:
    """An engine whose statements end when the test says so: with a row that says which one it was,
    or an error."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.begun = self.left = 0
        self.gate = asyncio.Event()
        self.error: Exception | None = None

    async def rows(self, sql: str, parameters: Any = None, terms: Terms = USUAL) -> list[Any]:
        self.begun += 1
        number = self.begun
        if terms.used is not None:
            terms.used.add(1_000, 64_000)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.left += 1
            raise
        if self.error is not None:
            raise self.error
        return [(number,)]


class Asking:
    """Questions to one service."""

    def __init__(self, engine: Slow, policy: Policy = MANY) -> None:
        self.engine = engine
        self.service = QueryService(engine, Metrics(), engine.clock, policy)  # type: ignore[arg-type]
        self.questions: list[Question] = []

    async def ask(self, statement: Statement = COUNT, tenant: str = "shop") -> asyncio.Task[Any]:
        """A task that has been under way as far as it comes."""

        async def one() -> list[Any]:
            with asking(Question(tenant)) as question:
                self.questions.append(question)
                async with self.service.slot("metric"):
                    return await self.service.run(statement)

        task = asyncio.create_task(one())
        for _ in range(10):
            await asyncio.sleep(0)
        return task


def run(play: Callable[[Asking], Awaitable[None]]) -> None:
    async def whole() -> None:
        await play(Asking(Slow()))

    asyncio.run(whole())


def test_who_asks_the_same_meanwhile_has_the_same_rows() -> None:
    async def play(asking: Asking) -> None:
        tasks = [await asking.ask() for _ in range(5)]
        asking.engine.gate.set()
        assert [await task for task in tasks] == [[(1,)]] * 5
        assert asking.engine.begun == 1

    run(play)


def test_who_asks_after_the_end_has_rows_of_then() -> None:
    async def play(asking: Asking) -> None:
        asking.engine.gate.set()
        assert await (await asking.ask()) == [(1,)]
        assert await (await asking.ask()) == [(2,)]

    run(play)


@pytest.mark.parametrize(
    "other",
    [
        Statement(COUNT.sql, {"p0": "mill"}),
        Statement(COUNT.sql + " ", COUNT.parameters),
        Statement(COUNT.sql, COUNT.parameters, {"max_threads": 1}),
    ],
)
def test_another_statement_has_a_run_of_its_own(other: Statement) -> None:
    async def play(asking: Asking) -> None:
        tasks = [await asking.ask(), await asking.ask(other)]
        asking.engine.gate.set()
        assert [await task for task in tasks] == [[(1,)], [(2,)]]

    run(play)


def test_another_tenant_has_a_run_of_its_own() -> None:
    async def play(asking: Asking) -> None:
        tasks = [await asking.ask(), await asking.ask(tenant="mill")]
        asking.engine.gate.set()
        assert [await task for task in tasks] == [[(1,)], [(2,)]]

    run(play)


def test_what_began_too_long_ago_is_not_waited_for() -> None:
    async def play(asking: Asking) -> None:
        first = await asking.ask()
        asking.engine.clock.advance(limits.QUERY_SHARED_S)
        second = await asking.ask()
        asking.engine.clock.advance(0.001)
        third = await asking.ask()
        asking.engine.gate.set()
        assert [await first, await second, await third] == [[(1,)], [(1,)], [(2,)]]

    run(play)


def test_who_leaves_ends_nothing_that_others_wait_for() -> None:
    async def play(asking: Asking) -> None:
        first, second = await asking.ask(), await asking.ask()
        first.cancel()
        await asyncio.wait([first])
        asking.engine.gate.set()
        assert (await second, asking.engine.left) == ([(1,)], 0)

    run(play)


def test_a_run_ends_when_all_have_left() -> None:
    async def play(asking: Asking) -> None:
        tasks = [await asking.ask(), await asking.ask()]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        again = await asking.ask()
        assert asking.engine.left == 1
        asking.engine.gate.set()
        assert await again == [(2,)]

    run(play)


def test_an_error_reaches_all() -> None:
    async def play(asking: Asking) -> None:
        tasks = [await asking.ask(), await asking.ask()]
        asking.engine.error = StoreError("Code: 60", 60)
        asking.engine.gate.set()
        for task in tasks:
            with pytest.raises(StoreError, match="Code: 60"):
                await task

    run(play)


def test_what_was_read_is_counted_once_and_told_to_each() -> None:
    async def play(asking: Asking) -> None:
        tasks = [await asking.ask(), await asking.ask()]
        asking.engine.gate.set()
        await asyncio.gather(*tasks)
        assert [one.used for one in asking.questions] == [Used(1_000, 64_000)] * 2
        assert asking.service.metrics.get("tailrace_query_read_rows_total") == 1_000

    run(play)
