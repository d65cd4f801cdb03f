"""Queries of one tenant: parse, bound, run, give back plain values."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from tailrace.core.clock import Clock, SystemClock
from tailrace.core.frame import Signal
from tailrace.core.metrics import Metrics
from tailrace.query.bounds.allowance import Policy
from tailrace.query.bounds.question import remark
from tailrace.query.bounds.runner import Runner
from tailrace.query.bounds.slow import SlowQueries
from tailrace.query.engine import Engine
from tailrace.query.sources import HotOnly, Source, Sources
from tailrace.query.steps import StepCache

Rows = list[tuple[Any, ...]]
Result = TypeVar("Result")


class QueryService:
    """Everything the HTTP routes ask. A few queries run at once; more wait, then Busy.

    `slot` is around each query; `run`, `blocks` or `raw` runs a statement of it: bounds/runner.py.
    All methods raise QueryError, Busy, StoreError, or TimeoutError when the query's time is over.
    """

    def __init__(
        self,
        engine: Engine,
        metrics: Metrics | None = None,
        clock: Clock | None = None,
        policy: Policy | None = None,
        sources: Sources | None = None,
    ) -> None:
        """`policy` says what tenants may take; `sources` knows where rows are, without it they are
        in the hot tables."""
        self.engine = engine
        self.sources = sources or HotOnly()
        self.metrics = metrics or Metrics()
        self.clock = clock or SystemClock()
        self.policy = policy or Policy()
        self.steps = StepCache(self.metrics, self.clock)
        self.slow = SlowQueries(engine, self.metrics, self.clock, self.policy.slow_s)
        self.runner = Runner(engine, self.metrics, self.clock, self.policy, self.slow)
        self.slot = self.runner.slot
        self.run = self.runner.run
        self.blocks = self.runner.blocks
        self.raw = self.runner.raw
        self.together = self.runner.together

    async def source(
        self, signal: Signal, tenant: str, start_ns: int, end_ns: int, service: str = ""
    ) -> Source:
        """Where the rows of a range are, see `Sources`; what is to be told of that is remarked."""
        found = await self.sources.source(signal, tenant, start_ns, end_ns, service)
        remark(*found.remarks)
        return found

    async def close(self) -> None:
        """Before the engine."""
        await self.slow.settled()


async def timed(work: Callable[[], Awaitable[Result]], clock: Clock) -> tuple[Result, float]:
    """The result of `work` and its seconds."""
    began = clock.monotonic_s()
    result = await work()
    return result, clock.monotonic_s() - began
