"""A query in its place: its turn, its time, and its statements within the tenant's bounds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

from tailrace.core.bounds import Terms, Used
from tailrace.core.clock import Clock
from tailrace.core.errors import StoreError
from tailrace.core.metrics import Metrics
from tailrace.query.bounds.allowance import Policy
from tailrace.query.bounds.estimate import Estimates
from tailrace.query.bounds.question import asked
from tailrace.query.bounds.refusals import explained, too_large, too_long
from tailrace.query.bounds.running import Running
from tailrace.query.bounds.shared import Shared, same
from tailrace.query.bounds.slow import SlowQueries
from tailrace.query.bounds.turns import Turns
from tailrace.query.engine import Engine
from tailrace.query.plan import Statement

# The rows of a statement, and what it read.
_Answer = tuple[list[tuple[Any, ...]], Used]
# The engine stops a statement by itself; only what it fails to stop is abandoned.
GRACE_S = 1.0
# What a statement gets whose query has used up its time: enough to fail in the engine's words.
_LEAST_S = 0.05


def _as_it_is(error: StoreError) -> Exception:
    return error


_running: ContextVar[Running] = ContextVar("running")


class Runner:
    """`slot` around a query, and inside it `run`, `blocks` or `raw` for its statements.

    What runs a statement without a slot, as a follower does, has the tenant's bounds and no turn.
    """

    def __init__(
        self,
        engine: Engine,
        metrics: Metrics,
        clock: Clock,
        policy: Policy,
        slow: SlowQueries,
    ) -> None:
        self._engine = engine
        self._metrics = metrics
        self._clock = clock
        self._policy = policy
        self._turns = Turns(policy, metrics)
        self._estimates = Estimates(engine, clock)
        self._slow = slow
        self._shared: Shared[_Answer] = Shared(clock)

    @asynccontextmanager
    async def slot(self, kind: str) -> AsyncIterator[None]:
        """Room for one query, within its time; `kind` is a constant of the code. One inside
        another is the same query. Raises Busy, and TimeoutError when the time is over."""
        if _running.get(None) is not None:
            yield
            return
        question = asked()
        self._metrics.add("tailrace_query_requests_total", label=kind)
        async with self._turns.turn(question.tenant):
            allowed = self._policy.of(question.tenant)
            query = Running(question, kind, allowed, self._clock.monotonic_s())
            token = _running.set(query)
            error: BaseException | None = None
            try:
                async with _within(allowed.timeout_s):
                    yield
            except BaseException as raised:
                error = raised
                raise
            finally:
                with suppress(ValueError):  # a stream may be closed by another task
                    _running.reset(token)
                self._ended(query, error)

    def _ended(self, query: Running, error: BaseException | None) -> None:
        seconds = self._clock.monotonic_s() - query.began_s
        self._metrics.add("tailrace_query_seconds_total", seconds)
        self._slow.ended(query, seconds, error)

    def together(self) -> None:
        """From here on the statements of the query in whose slot this is called share what one of
        them may read: it asks the same of many times."""
        query = _running.get()
        query.together = query.together or replace(query.question.used)

    async def run(self, statement: Statement) -> list[tuple[Any, ...]]:
        """All rows of one statement, which is shared with who asks the same meanwhile.

        Raises QueryError, Busy, TimeoutError, StoreError.
        """
        query = await self._begin(statement)
        used = Used()

        async def begin() -> _Answer:
            with self._statement(query, statement, used=used) as terms:
                return await self._engine.rows(statement.sql, statement.parameters, terms), used

        key = same(statement, query.question.tenant, query.left.bounds)
        until_s = query.began_s + query.allowed.timeout_s
        rows, read = await self._shared.run(key, until_s, begin)
        if read is not used:  # another's, and as much for this answer
            query.question.used.add(read.rows, read.bytes)
        return rows

    async def blocks(self, statement: Statement) -> AsyncGenerator[Sequence[Sequence[Any]], None]:
        """As `run`, the columns of one block after another; leave a loop over it only inside
        `contextlib.aclosing`."""
        query = await self._begin(statement)
        with self._statement(query, statement) as terms:
            found = self._engine.blocks(statement.sql, statement.parameters, terms)
            async with aclosing(found) as blocks:
                async for block in blocks:
                    yield block

    async def raw(self, statement: Statement, form: str) -> AsyncGenerator[bytes, None]:
        """As `blocks`, the bytes of the result in a format of the engine, see `Engine.raw`."""
        query = await self._begin(statement)
        otherwise = _as_it_is if statement.bounds.result_bytes else too_large
        with self._statement(query, statement, otherwise) as terms:
            found = self._engine.raw(statement.sql, statement.parameters, terms, form=form)
            async with aclosing(found) as pieces:
                async for piece in pieces:
                    yield piece

    async def _begin(self, statement: Statement) -> Running:
        query = _running.get(None)
        if query is None:
            question = asked()
            allowed = self._policy.of(question.tenant)
            query = Running(question, "", allowed, self._clock.monotonic_s())
        if self._policy.estimate:
            await self._estimates.check(statement, query.left)
        return query

    @contextmanager
    def _statement(
        self,
        query: Running,
        statement: Statement,
        otherwise: Callable[[StoreError], Exception] = _as_it_is,
        used: Used | None = None,
    ) -> Iterator[Terms]:
        """How the engine is to run `statement`; counts it, and says which limit it passed."""
        used = used or Used()
        began_s = self._clock.monotonic_s()
        left_s = max(_LEAST_S, query.allowed.timeout_s - (began_s - query.began_s))
        try:
            bounds = query.left.bounds.within(statement.bounds)
            yield Terms(left_s, bounds, used, statement.settings)
        except StoreError as error:
            found = explained(error, query.allowed, statement.bounds)
            found = otherwise(error) if found is error else found
            if found is error:
                raise
            raise found from error
        finally:
            query.question.used.add(used.rows, used.bytes)
            self._metrics.add("tailrace_query_read_rows_total", used.rows)
            self._metrics.add("tailrace_query_read_bytes_total", used.bytes)
            took_s = self._clock.monotonic_s() - began_s
            if query.slowest is None or took_s > query.slowest_s:
                query.slowest, query.slowest_s = statement, took_s


@asynccontextmanager
async def _within(timeout_s: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(timeout_s + GRACE_S):
            yield
    except TimeoutError as error:
        if error.args:
            raise
        raise too_long(timeout_s) from None
