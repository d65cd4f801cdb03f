"""Alerts that wait for no evaluation, wired: rules with a stream, findings of the guard, and new
errors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tailrace.alerts.evaluation.evaluator import Stands
from tailrace.alerts.evaluation.turn import Describe
from tailrace.alerts.rule import Group
from tailrace.alerts.streaming.guardfindings import GuardFindings
from tailrace.alerts.streaming.newpatterns import NewPatterns, Store
from tailrace.alerts.streaming.streams import Streams, joined
from tailrace.app.alertsettings import AlertsConfig
from tailrace.app.builtinrules import finding_tenants, pattern_tenants
from tailrace.core import limits
from tailrace.core.alerting import Alert
from tailrace.core.clock import Clock
from tailrace.core.finding import Finding
from tailrace.core.metrics import Metrics
from tailrace.governance.findings.book import Book
from tailrace.query.logs.logs import Logs
from tailrace.query.patterns.errors import errors
from tailrace.query.service import QueryService
from tailrace.query.tail.hub import Hub
from tailrace.queue.follower import LogFeed
from tailrace.queue.log import SegmentLog
from tailrace.store.engine import Engine
from tailrace.store.framerows import FrameRows
from tailrace.writer.repair import readable

# Twice a second what came is looked at: an alert within 2 s at a fifth of what a live tail costs.
GATHER_S = 0.5
# New errors are looked for once in so many intervals of ordinary groups, and at least so often.
LOOK_INTERVALS, LOOK_S = 4, 60.0


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
    """All as one; `open` before the evaluator is, which asks what it `owns`."""

    def __init__(
        self,
        config: AlertsConfig,
        store: Store,
        queries: QueryService,
        seen: Seen,
        describe: Describe,
        changed: Callable[[Sequence[Alert]], None],
    ) -> None:
        metrics = queries.metrics
        self._streams = Streams(store, Logs(queries), seen.hub, describe, changed, metrics)
        self._findings: GuardFindings | None = None
        self._patterns: NewPatterns | None = None
        if tenants := finding_tenants(config):
            alerting = seen.findings.alerting
            self._findings = GuardFindings(
                store, alerting, changed, queries.clock, metrics, tenants
            )
        if tenants := pattern_tenants(config):
            self._patterns = NewPatterns(
                store,
                partial(errors, queries),
                seen.hub.feed.stored,
                changed,
                queries.clock,
                metrics,
                tenants,
                min(config.interval * LOOK_INTERVALS, LOOK_S),
                config.learning,
                config.external_url,
            )

    @property
    def _made(self) -> list[GuardFindings | NewPatterns]:
        """Alerts that the server makes itself."""
        return [one for one in (self._findings, self._patterns) if one is not None]

    async def open(self, groups: Iterable[Group]) -> None:
        """Go on with what is kept. Raises StoreError."""
        await self._streams.open(groups)
        for one in self._made:
            await one.open()

    async def load(self, groups: Iterable[Group]) -> None:
        """Other rules from here on. Raises StoreError."""
        await self._streams.load(groups)

    async def run(self) -> None:
        """Until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._streams.run())
            for one in self._made:
                tasks.create_task(one.run())

    def owns(self, tenant: str, rule: str) -> bool:
        """Whether a rule is one of these."""
        return any(one.owns(tenant, rule) for one in (*self._made, self._streams))

    def raised(self, finding: Finding, sentence: str) -> None:
        """The guard begins to alert. Of governance.findings.book.Raised."""
        if self._findings:
            self._findings.raised(finding, sentence)

    def stands(self, evaluated: Iterable[Stands]) -> list[Stands]:
        """How all rules stand, with these that are `evaluated`."""
        found = {one.group.key: one for one in evaluated}
        for one in self._streams.stands():
            found[one.group.key] = joined(found.get(one.group.key), one)
        return [*found.values(), *(stands for one in self._made for stands in one.stands())]

    def told(self, alerts: Sequence[Alert]) -> None:
        """Resolved alerts that everybody was told of, and that are no more in the store."""
        for one in (self._streams, *self._made):
            one.told(alerts)
