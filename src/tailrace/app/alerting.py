"""Rules and alerts, wired: from rule files and the API to what is told."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from pathlib import Path

import xxhash
from starlette.routing import BaseRoute

from tailrace.alerts.delivery import sweeping
from tailrace.alerts.delivery.delivery import Delivery
from tailrace.alerts.delivery.view import View
from tailrace.alerts.evaluation.backlog import await_backlog
from tailrace.alerts.evaluation.evaluator import Evaluator, Stands
from tailrace.alerts.evaluation.expression import Expressions
from tailrace.alerts.evaluation.state import Owner
from tailrace.alerts.evaluation.turn import Standing
from tailrace.alerts.http.alertmanager import AlertRoutes
from tailrace.alerts.http.prometheus import routes as prometheus_routes
from tailrace.alerts.http.ruler import Ruler
from tailrace.alerts.http.silences import SilenceRoutes
from tailrace.alerts.late.again import Again
from tailrace.alerts.late.arrivals import Arrivals
from tailrace.alerts.rule import Group, parted
from tailrace.alerts.rules.book import Rulebook
from tailrace.alerts.rules.files import RuleFiles
from tailrace.alerts.templating import template
from tailrace.alerts.templating.annotator import Outside
from tailrace.alerts.templating.descriptions import Descriptions
from tailrace.app.alertseries import AlertSeries
from tailrace.app.alertsettings import AlertsConfig, patterns
from tailrace.app.builtinrules import builtin_groups
from tailrace.app.latency import Latency
from tailrace.app.recording import Recording
from tailrace.app.streaming import Seen, Streaming
from tailrace.core.alerting import Alert
from tailrace.core.clock import Clock
from tailrace.core.contracts import Feed
from tailrace.core.errors import StoreError
from tailrace.core.finding import Finding
from tailrace.core.log import get
from tailrace.core.metrics import Metrics
from tailrace.gateway.door import Door
from tailrace.governance.alerts.store import ControlAlerts
from tailrace.governance.control import Control
from tailrace.query.late import LateRows
from tailrace.query.service import QueryService

_log = get("alerts")
LOOK_S = 5.0
LEASE_S = 60.0


class Alerting:
    """`open` once the store can be asked, `close` before it cannot.

    Of several servers on one control store one evaluates; the others wait until it does not.
    """

    def __init__(
        self,
        config: AlertsConfig,
        directory: Path,
        control: Control,
        queries: QueryService,
        door: Door,
        feed: Feed,
        seen: Seen,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        """Raises ConfigError."""
        self._config = config
        self._feed = feed
        self._clock = clock
        self._metrics = metrics
        self._store = ControlAlerts(control)
        interval_ns = int(config.interval * 1e9)
        files = RuleFiles(patterns(config), metrics, template.check, interval_ns)
        builtin = builtin_groups(config, template.check)
        self._book = Rulebook(files, self._store, clock, template.check, interval_ns, builtin)
        self._ask = Expressions(queries)
        outside = Outside(config.external_labels, config.external_url)
        describe = Descriptions(outside, self._ask, metrics)
        self._streaming = Streaming(config, self._store, queries, seen, describe, self._changed)
        self._latency = Latency(config, door, feed, clock, metrics)
        self._series = AlertSeries(
            door, lambda: self._streaming.stands([]), clock, metrics, config.interval
        )
        # With questions of its own: what it asks is not what others ask now.
        self._again = Again(
            LateRows(queries),
            Expressions(queries),
            lambda: self._evaluator.stands(),
            feed.stored,
            clock,
            metrics,
        )
        self._evaluator = Evaluator(
            self._store,
            self._ask,
            describe,
            Recording(door, self._latency.listener.heard),
            self._changed,
            clock,
            metrics,
            kept=self._kept,
            settled=feed.stored,
            watcher=self._again,
        )
        self._delivery = self._delivering()
        self._ruler = Ruler(self._book, self._reload)
        # A process that leads again has another delivery.
        self._silences = SilenceRoutes(self._store, lambda one: self._delivery.silence(one), clock)
        self._queries = queries
        # Two servers of one machine are two.
        self._holder = f"{socket.gethostname()} {xxhash.xxh3_64_hexdigest(bytes(directory))}"
        self._running: list[asyncio.Task[None]] = []

    @property
    def arrivals(self) -> Arrivals:
        """Who is to hear of what is stored."""
        return self._again.arrivals

    async def open(self) -> None:
        """Read the rules. Raises StoreError."""
        await self._book.load()
        self._running = [asyncio.create_task(self._run())]
        self._latency.start()

    async def _run(self) -> None:
        """Evaluate while nobody else does; read the rules again when they are others."""
        evaluating: asyncio.Task[None] | None = None
        try:
            while True:
                evaluating = await self._looked(evaluating)
                await asyncio.sleep(LOOK_S)
        finally:
            if evaluating:
                evaluating.cancel()

    async def _looked(self, evaluating: asyncio.Task[None] | None) -> asyncio.Task[None] | None:
        """The evaluation as it goes on from here; None while somebody else has it."""
        if evaluating and evaluating.done():
            evaluating.result()
        try:
            leads = await self._leads()
            self._latency.evaluates(leads)
            if not leads:
                if evaluating:
                    evaluating.cancel()
                return None
            if evaluating is None:
                self._delivery = self._delivering()
                await self._delivery.load()
                evaluated, streamed = parted(self._groups())
                await self._ask.load(evaluated)
                await self._streaming.open(streamed)
                await self._evaluator.open(evaluated, self._streaming.owns)
                self._series.begin()
                return asyncio.create_task(self._lead())
            if await self._book.changed():
                await self._reload()
        except StoreError as error:
            _log.error("alerts cannot be kept", extra={"why": str(error)})
        return evaluating

    async def _lead(self) -> None:
        """Evaluate, tell and send."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._evaluate())
            tasks.create_task(sweeping.run(self._store, self._clock))
            for part in (self._streaming, self._delivery, self._again):
                tasks.create_task(part.run())
            if self._config.series:
                tasks.create_task(self._series.run())

    async def _evaluate(self) -> None:
        await await_backlog(self._feed)
        await self._evaluator.run()

    def _delivering(self) -> Delivery:
        """As the store says that it stands. Raises ConfigError."""
        late = self._latency.rules
        return Delivery(
            self._config,
            self._store,
            self._clock,
            self._metrics,
            self._told,
            late.told,
            late.sent,
        )

    def _told(self, alerts: Sequence[Alert]) -> None:
        """Whoever made them lets them go."""
        self._evaluator.told(alerts)
        self._streaming.told(alerts)

    async def _leads(self) -> bool:
        """Raises StoreError."""
        now_ns = self._clock.wall_ns()
        return await self._store.lead(self._holder, now_ns + int(LEASE_S * 1e9), now_ns)

    async def _reload(self) -> None:
        """Raises StoreError."""
        await self._book.load()
        evaluated, streamed = parted(self._groups())
        await self._ask.load(evaluated)
        await self._evaluator.load(evaluated)
        await self._streaming.load(streamed)
        self._latency.rules.retain(self._stands())
        self._series.retain(self._stands())

    def _groups(self) -> list[Group]:
        return [*self._book.groups, *self._latency.groups]

    def _changed(self, alerts: Sequence[Alert]) -> None:
        self._delivery.changed(alerts)

    def _kept(
        self,
        group: Group,
        owners: Sequence[Owner],
        before: Sequence[Standing],
        after: Sequence[Standing],
    ) -> None:
        """See Kept."""
        self._latency.listener.kept(group, owners, before, after)
        if self._config.series:
            self._series.kept(group, owners, before, after)

    def raised(self, finding: Finding, sentence: str) -> None:
        """The guard begins to alert. Of governance.findings.book.Raised."""
        self._streaming.raised(finding, sentence)

    def _stands(self) -> list[Stands]:
        return self._streaming.stands(self._evaluator.stands())

    def reading(self) -> list[BaseRoute]:
        """For those who may ask."""
        alerts = AlertRoutes(self._store, View(self._config), self._clock)
        return [
            *prometheus_routes(self._queries, self._stands, self._again.report),
            *self._latency.routes(self._stands),
            *alerts.reading(),
            *self._silences.reading(),
            *self._ruler.reading(),
        ]

    def changing(self) -> list[BaseRoute]:
        """For those who may change rules, and silence alerts."""
        return [*self._silences.changing(), *self._ruler.changing()]

    @property
    def ends(self) -> set[asyncio.Task[None]]:
        """Tasks that run as long as the process does."""
        return set(self._running)

    async def close(self) -> None:
        """What is told no more is told after the next start."""
        await self._latency.close()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
