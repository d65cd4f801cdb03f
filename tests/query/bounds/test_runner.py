"""What a query gets around its statements."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

import pytest

from tailrace.core import limits
from tailrace.core.bounds import USUAL, Terms, Used
from tailrace.core.clock import ManualClock
from tailrace.core.errors import Busy, QueryError, StoreError
from tailrace.core.metrics import Metrics
from tailrace.query.bounds.allowance import Allowance, Policy
from tailrace.query.bounds.estimate import Table
from tailrace.query.bounds.question import Question, asking
from tailrace.query.plan import Statement
from tailrace.query.service import QueryService

HEAVY = Statement("SELECT sum(sipHash64(number)) FROM numbers({n:UInt64})", {"n": 10**11})
MANY = Statement("SELECT number FROM numbers(200000)")


class Fake:
    """Answers as it is told, and remembers what it was asked."""

    def __init__(self, clock: ManualClock, answer: Exception | None = None) -> None:
        self.clock = clock
        self.answer = answer
        self.takes_s = 0.0
        self.plan = "Read 'Jane' from logs"
        self.asked: list[tuple[str, Terms]] = []

    async def rows(self, sql: str, parameters: Any = None, terms: Terms = USUAL) -> list[Any]:
        self.asked.append((sql, terms))
        self.clock.advance(self.takes_s)
        if terms.used is not None:
            terms.used.add(1_000, 64_000)
        if self.answer is not None and not sql.startswith("EXPLAIN"):
            raise self.answer
        return [(self.plan,)]


def service(fake: Any, policy: Policy | None = None) -> QueryService:
    return QueryService(fake, Metrics(), fake.clock, policy=policy)


def ask(
    queries: QueryService, *statements: Statement, text: str = '{a="Jane"}', tenant: str = "shop"
) -> Question:
    async def whole() -> Question:
        with asking(Question(tenant, text)) as question:
            try:
                async with queries.slot("lines"):
                    for statement in statements:
                        await queries.run(statement)
            finally:
                await queries.slow.settled()
        return question

    return asyncio.run(whole())


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (158, QueryError, r"more than 1,000,000,000 rows \(query.read_rows\); narrow the time"),
        (307, QueryError, r"more than 256 GiB \(query.read_bytes\); narrow the time"),
        (159, TimeoutError, r"longer than 30 s \(query.timeout\) and was stopped; narrow"),
        (241, Busy, "no memory for the query at the moment"),
        (60, StoreError, "Code: 60"),
    ],
)
def test_a_limit_that_was_passed_is_named(code: int, kind: type[Exception], words: str) -> None:
    fake = Fake(ManualClock(), StoreError(f"Code: {code}. Exception", code))
    with pytest.raises(kind, match=words):
        ask(service(fake), MANY)


def test_a_query_that_needs_too_much_memory_is_told_so() -> None:
    fake = Fake(ManualClock(), StoreError("Code: 241. Query memory limit exceeded", 241))
    with pytest.raises(QueryError, match=r"more than 320 MiB of memory \(QUERY_MEMORY_BYTES\)"):
        ask(service(fake), MANY)


def test_the_statements_of_a_query_share_its_time() -> None:
    fake = Fake(ManualClock())
    fake.takes_s = 12
    ask(service(fake), MANY, MANY, MANY, MANY)
    left = [terms.timeout_s for sql, terms in fake.asked if sql == MANY.sql]
    assert left == [30, 18, 6, 0.05]


def test_a_named_tenant_has_its_own_bounds() -> None:
    fake = Fake(ManualClock())
    policy = Policy(tenants={"small": Allowance(timeout_s=3, read_rows=7, read_bytes=8)})
    ask(service(fake, policy), MANY, tenant="small")
    ask(service(fake, policy), MANY, tenant="other")
    (_, small), (_, other) = fake.asked
    assert (small.timeout_s, small.bounds.read_rows, small.bounds.read_bytes) == (3, 7, 8)
    assert (other.timeout_s, other.bounds.read_rows) == (30, 10**9)


def test_the_plan_of_a_slow_statement_is_asked_for_within_its_bounds() -> None:
    fake = Fake(ManualClock())
    fake.takes_s = 8
    ask(service(fake, Policy(Allowance(read_rows=7))), MANY)
    [plan] = [terms for sql, terms in fake.asked if sql.startswith("EXPLAIN")]
    assert plan.bounds.read_rows == 7


def test_what_was_read_is_counted_for_the_question_and_in_all() -> None:
    queries = service(Fake(ManualClock()))
    assert ask(queries, MANY, MANY).used == Used(2_000, 128_000)
    ask(queries, MANY)
    assert queries.metrics.get("tailrace_query_read_rows_total") == 3_000
    assert queries.metrics.get("tailrace_query_read_bytes_total") == 192_000


def test_a_slot_within_a_slot_is_the_same_query() -> None:
    async def whole(queries: QueryService) -> None:
        async with queries.slot("lines"), queries.slot("labels"):
            assert queries.metrics.get("tailrace_query_running") == 1

    queries = service(Fake(ManualClock()), Policy(Allowance(running=1, waiting=0)))
    asyncio.run(whole(queries))
    assert queries.metrics.labelled("tailrace_query_requests_total") == {"lines": 1}


class Gated:
    """An engine whose statements end when the test says so."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.begun: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}

    async def rows(self, sql: str, parameters: Any = None, terms: Terms = USUAL) -> list[Any]:
        self.begun.append(sql)
        await self.gates.setdefault(sql, asyncio.Event()).wait()
        return []


async def wait_until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0)


def test_a_flood_of_two_tenants_delays_a_third_by_one_running_query() -> None:
    async def whole() -> None:
        fake = Gated()
        queries = service(fake)

        async def query(tenant: str, name: str) -> None:
            with asking(Question(tenant)):
                async with queries.slot("lines"):
                    await queries.run(Statement(name))

        flood = [
            asyncio.create_task(query(tenant, f"{tenant} {n}"))
            for n in range(20)
            for tenant in ("noisy", "loud")
        ]
        await wait_until(lambda: len(fake.begun) == 4)
        small = asyncio.create_task(query("quiet", "small"))
        await wait_until(lambda: queries.metrics.get("tailrace_query_waiting") == 37)
        fake.gates["noisy 0"].set()
        await wait_until(lambda: len(fake.begun) == 5)
        assert fake.begun[4] == "small"
        fake.gates["small"].set()
        await small
        for task in flood:
            task.cancel()
        await asyncio.wait(flood)
        assert queries.metrics.get("tailrace_query_running") == 0

    asyncio.run(whole())


def test_a_slow_query_is_kept_and_logged_without_what_it_looks_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fake = Fake(ManualClock())
    fake.takes_s = 4
    queries = service(fake)
    with caplog.at_level("WARNING", "tailrace.query"):
        ask(queries, Statement("SELECT 1"))
        assert queries.slow.of("shop") == []
        ask(queries, Statement("SELECT 1"), Statement("SELECT 2"))
    (slow,) = queries.slow.of("shop")
    assert (slow.kind, slow.query, slow.outcome) == ("lines", '{a="…"}', "ok")
    assert (slow.seconds, slow.read_rows, slow.read_bytes) == (8, 2_000, 128_000)
    assert slow.plan == "Read '…' from logs"
    assert queries.slow.of("other") == []
    (line,) = caplog.records
    assert line.__dict__["query"] == '{a="…"}'
    assert "Jane" not in str(line.__dict__)
    assert queries.metrics.get("tailrace_query_slow_total") == 1


def test_what_is_kept_of_a_slow_query_is_short() -> None:
    fake = Fake(ManualClock())
    fake.takes_s, fake.plan = 8, "p" * 2 * limits.SLOW_PLAN_CHARS
    queries = service(fake)
    ask(queries, MANY, text="x" * 2 * limits.SLOW_TEXT_CHARS)
    (slow,) = queries.slow.of("shop")
    assert len(slow.query) == limits.SLOW_TEXT_CHARS
    assert len(slow.plan) == limits.SLOW_PLAN_CHARS


def test_a_slow_query_that_failed_says_with_what() -> None:
    fake = Fake(ManualClock(), StoreError("Code: 159. Exception", 159))
    fake.takes_s = 30
    queries = service(fake)
    with pytest.raises(TimeoutError):
        ask(queries, MANY)
    assert [slow.outcome for slow in queries.slow.of("shop")] == ["TimeoutError"]


def test_the_last_hundred_slow_queries_are_kept_the_last_one_first() -> None:
    fake = Fake(ManualClock())
    fake.takes_s = 6
    queries = service(fake)
    for number in range(105):
        ask(queries, MANY, text=f"up > {number}")
    assert [slow.query for slow in queries.slow.of("shop")] == [
        f"up > {number}" for number in range(104, 4, -1)
    ]


def run(engine: Any, body: Callable[[QueryService], Awaitable[None]]) -> None:
    asyncio.run(body(QueryService(engine, policy=Policy(slow_s=0))))


def test_the_plan_of_a_real_statement_is_asked_with_its_values(engine: Any) -> None:
    async def body(queries: QueryService) -> None:
        tenant = engine.tenant()
        engine.load(tenant, [{"body": "Jane"}])
        sql = "SELECT count() FROM logs WHERE Tenant = {t:String} AND Body LIKE {b:String}"
        with asking(Question("shop", "{}")):
            async with queries.slot("lines"):
                await queries.run(Statement(sql, {"t": tenant, "b": "%Jane%"}))
        await queries.slow.settled()
        (slow,) = queries.slow.of("shop")
        assert "ReadFrom" in slow.plan
        assert "Jane" not in slow.plan

    run(engine, body)


def test_blocks_and_bytes_are_counted_and_bounded_too(engine: Any) -> None:
    async def body(queries: QueryService) -> None:
        with asking(Question("shop")) as question:
            async with queries.slot("sql"):
                async with aclosing(queries.blocks(MANY)) as blocks:
                    assert sum([len(block[0]) async for block in blocks]) == 200_000
                async with aclosing(queries.raw(MANY, "CSV")) as pieces:
                    text = b"".join([piece async for piece in pieces])
                assert text.count(b"\n") == 200_000
        assert question.used.rows == 400_000

    run(engine, body)


def test_a_result_that_is_held_whole_may_not_be_too_large(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(queries: QueryService) -> None:
        monkeypatch.setattr("tailrace.core.limits.QUERY_RESULT_BYTES", 1_000)
        with pytest.raises(QueryError, match=r"larger than 0.977 KiB \(QUERY_RESULT_BYTES\)"):
            async with aclosing(queries.raw(MANY, "JSON")) as pieces:
                async for _ in pieces:
                    pass

    run(engine, body)


@pytest.mark.parametrize(
    ("table", "words", "width"),
    [
        (Table(100, 5_000, 50, {"Body": 1_000, "Level": 50}), "SELECT Body", 20),
        (Table(100, 5_000, 50, {"Body": 1_000, "Level": 50}), "Body, Level", 21),
        (Table(100, 5_000, 50, {"Body": 1_000, "Level": 50}), "SELECT *", 50),
        (Table(100, 5_000, 0, {}), "SELECT Body", 50),
        (Table(0, 0, 0, {}), "SELECT Body", 0),
    ],
)
def test_a_row_is_as_wide_as_the_columns_that_are_named(
    table: Table, words: str, width: float
) -> None:
    assert table.width(frozenset(words.replace(",", "").split())) == width


def test_a_query_that_would_read_too_much_is_refused_with_the_estimate(engine: Any) -> None:
    tenant = engine.tenant()
    engine.load(tenant, [{"body": "x" * 1_000, "ns": 1_767_225_600 * 10**9 + n} for n in range(50)])

    async def refused(sql: str, most: int) -> str:
        allowed = Allowance(read_bytes=most)
        queries = QueryService(engine, policy=Policy(allowed, estimate=True))
        before = len(engine.statements)
        try:
            await queries.run(Statement(sql, {"t": tenant}))
        except QueryError as error:
            return str(error)
        asked = [s for s in engine.statements[before:] if s.startswith("EXPLAIN ESTIMATE")]
        return f"{len(asked)} asked"

    sql = "SELECT max(Body) FROM logs WHERE Tenant = {t:String}"
    message = asyncio.run(refused(sql, 500))
    assert message.startswith("the query would read about ")
    assert "more than 500 B (query.read_bytes); narrow the time range" in message
    assert asyncio.run(refused(sql, 10**12)) == "0 asked"
    assert asyncio.run(refused("SELECT 1 FROM numbers(3)", 100)) == "1 asked"
