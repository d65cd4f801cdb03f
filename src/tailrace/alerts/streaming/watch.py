"""Follows the lines of one stream as they come, and reads from the store what it missed.

It begins again with the time up to which nothing was missed: at the start, after a failure, and
when the hub says that there was too much to look at. It joins the hub before it asks the store, so
that each frame comes live or from the store and none falls between (query/tail/history.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tailrace.alerts.streaming.lines import message, stored
from tailrace.alerts.streaming.stream import Stream
from tailrace.core import limits, log
from tailrace.core.clock import Clock
from tailrace.core.errors import TailraceError
from tailrace.core.metrics import Metrics
from tailrace.query.bounds.question import Question, asking
from tailrace.query.logql.parser import parse_log
from tailrace.query.logs.logs import Logs
from tailrace.query.tail.history import history
from tailrace.query.tail.hub import Hub
from tailrace.query.tail.outlet import Outlet
from tailrace.query.times import SECOND_NS

_log = log.get("alerts")
# Between two questions of one rule to the store: under a flood it is asked as an ordinary rule is.
AGAIN_S = 10.0
# A frame is received so long before it is durable, at most.
DURABLE_NS = 5 * SECOND_NS
# Lines whose own time is so long before they came are found in the store; live ones always.
LATE_NS = 24 * 3_600 * SECOND_NS


class Watch:
    """`run` until it is cancelled. `changed` is called when it begins and after lines were
    taken. `turns` bounds the questions of all watches to the store."""

    def __init__(
        self,
        stream: Stream,
        logs: Logs,
        hub: Hub,
        metrics: Metrics,
        changed: Callable[[Stream], Awaitable[None]],
        turns: asyncio.Semaphore,
    ) -> None:
        self._stream = stream
        self._query = parse_log(stream.owner.rule.expr)
        self._logs = logs
        self._hub = hub
        self._clock: Clock = logs.service.clock
        self._metrics = metrics
        self._changed = changed
        self._turns = turns

    async def run(self) -> None:
        """Follow; begin again when it fails."""
        while True:
            try:
                await self._follow()
            except (TailraceError, TimeoutError) as error:
                self._failed(str(error) or "the store took too long")
            except Exception:  # what nobody foresaw in one rule must not end it
                _log.exception("a rule with a stream failed")
                self._failed("it failed; the log says how")
            await asyncio.sleep(AGAIN_S)

    def _failed(self, words: str) -> None:
        self._stream.error = words
        self._stream.behind = bool(self._stream.complete_ns)
        self._metrics.add("tailrace_rule_failures_total", label="stream")

    async def _follow(self) -> None:
        outlet = self._join()
        try:
            while True:
                await self._make_up(outlet)
                self._stream.error = ""
                await self._live(outlet)
                outlet, before = self._join(), outlet
                self._hub.leave(before)
        finally:
            self._hub.leave(outlet)

    def _join(self) -> Outlet:
        return self._hub.join(self._stream.owner.tenant, self._query, categorize=True)

    async def _make_up(self, outlet: Outlet) -> None:
        """Take what came since the stream was complete and does not come to `outlet`."""
        stream, joined_ns = self._stream, self._clock.wall_ns()
        if not stream.complete_ns:
            stream.complete_ns = joined_ns
            self._hub.settled(outlet)
            await self._changed(stream)
            return
        since_ns = self._since_ns(joined_ns)
        owner = stream.owner
        async with self._turns:
            with asking(Question(owner.tenant, owner.rule.expr)):
                entries = await history(
                    self._logs,
                    self._hub.feed,
                    self._query,
                    outlet,
                    since_ns - LATE_NS,
                    limits.STREAM_MISSED_LINES,
                    since_ns,
                )
        self._hub.settled(outlet)
        lines = stored(entries, owner.rule)
        await stream.made_up(lines, self._clock.wall_ns(), joined_ns)
        await self._changed(stream)

    def _since_ns(self, now_ns: int) -> int:
        first_ns = now_ns - int(limits.STREAM_MISSED_S * 1e9)
        since_ns = self._stream.complete_ns - DURABLE_NS
        if since_ns < first_ns:
            _log.warning(
                "a rule did not watch for so long that older lines are left out",
                extra={"rule": self._stream.owner.rule.name},
            )
        return max(since_ns, first_ns)

    async def _live(self, outlet: Outlet) -> None:
        """Take what comes, until something was missed and the store may be asked again."""
        again_s = self._clock.monotonic_s() + AGAIN_S
        stream = self._stream
        while not stream.behind or self._clock.monotonic_s() < again_s:
            left_s = max(0.0, again_s - self._clock.monotonic_s()) if stream.behind else None
            try:
                async with asyncio.timeout(left_s):
                    found = message(await outlet.next(self._clock))
            except TimeoutError:
                return
            if found.dropped_entries or outlet.overrun:
                stream.behind = True
                self._metrics.add("tailrace_stream_missed_rows_total", found.dropped_lines)
            if lines := found.lines(stream.owner.rule):
                self._metrics.add("tailrace_stream_lines_total", len(lines))
                await stream.take(lines, self._clock.wall_ns())
                await self._changed(stream)
