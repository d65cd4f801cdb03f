"""Alerts that wait for no evaluation, wired: rules with a stream, and findings of the guard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tailrace.alerts.evaluation.evaluator import Stands
from tailrace.alerts.evaluation.turn import Describe
from tailrace.alerts.rule import Group
from tailrace.alerts.streaming.guardfindings import GuardFindings
from tailrace.alerts.streaming.streams import Streams, joined
from tailrace.core import limits
from tailrace.core.alerting import Alert, AlertStore
from tailrace.core.clock import Clock
from tailrace.core.finding import Finding
from tailrace.core.metrics import Metrics
from tailrace.governance.findings.book import Book
from tailrace.query.logs.logs import Logs
from tailrace.query.service import QueryService
from tailrace.query.tail.hub import Hub
from tailrace.queue.follower import LogFeed
from tailrace.queue.log import SegmentLog
from tailrace.store.engine import Engine
from tailrace.store.framerows import FrameRows
from tailrace.writer.repair import readable

# Twice a second what came is looked at: an alert within 2 s at a fifth of what a live tail costs.
GATHER_S = 0.5


@dataclass(frozen=True)
class Seen:
    """What alerts see beside queries: lines as they come, and what the guard found."""

    hub: Hub
    findings: Book


def hub(queue: SegmentLog, engine: Engine, scratch: Path, clock: Clock) -> Hub:
    """For rules alone. Its counts would be mixed up with those of people's live tails."""
    rows = FrameRows(engine, scratch, readable)
    feed, asked = LogFeed(queue, "writer"), limits.STREAM_RULES_PER_TENANT
    return Hub(feed, rows, Metrics(), clock, GATHER_S, asked)


class Streaming:
    """Both as one; `open` before the evaluator is, which asks what it `owns`."""

    def __init__(
        self,
        store: AlertStore,
        queries: QueryService,
        seen: Seen,
        describe: Describe,
        changed: Callable[[Sequence[Alert]], None],
        tenants: Collection[str],
    ) -> None:
        """`tenants`: those that the built-in alert of findings is shown to; none turns it off."""
        self._streams = Streams(store, Logs(queries), seen.hub, describe, changed, queries.metrics)
        self._findings: GuardFindings | None = None
        if tenants:
            self._findings = GuardFindings(
                store, seen.findings.alerting, changed, queries.clock, queries.metrics, tenants
            )

    async def open(self, groups: Iterable[Group]) -> None:
        """Go on with what is kept. Raises StoreError."""
        await self._streams.open(groups)
        if self._findings:
            await self._findings.open()

    async def load(self, groups: Iterable[Group]) -> None:
        """Other rules from here on. Raises StoreError."""
        await self._streams.load(groups)

    async def run(self) -> None:
        """Until it is cancelled."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._streams.run())
            if self._findings:
                both.create_task(self._findings.run())

    def owns(self, tenant: str, rule: str) -> bool:
        """Whether a rule is one of these."""
        of_guard = self._findings is not None and self._findings.owns(tenant, rule)
        return of_guard or self._streams.owns(tenant, rule)

    def raised(self, finding: Finding, sentence: str) -> None:
        """The guard begins to alert. Of governance.findings.book.Raised."""
        if self._findings:
            self._findings.raised(finding, sentence)

    def stands(self, evaluated: Iterable[Stands]) -> list[Stands]:
        """How all rules stand, with these that are `evaluated`."""
        found = {one.group.key: one for one in evaluated}
        for one in self._streams.stands():
            found[one.group.key] = joined(found.get(one.group.key), one)
        return [*found.values(), *(self._findings.stands() if self._findings else [])]

    def told(self, alerts: Sequence[Alert]) -> None:
        """Resolved alerts that everybody was told of, and that are no more in the store."""
        self._streams.told(alerts)
        if self._findings:
            self._findings.told(alerts)
