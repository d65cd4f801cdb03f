"""`tailrace up`: every room in one process, started in order and drained in reverse."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from starlette.applications import Starlette
from starlette.routing import BaseRoute

from tailrace import __version__
from tailrace.agent.agent import Agent
from tailrace.app.agent import Own, agent_settings, archive, check_agent
from tailrace.app.alerting import Alerting
from tailrace.app.archiving import upkeep
from tailrace.app.backup.http import routes as backup_routes
from tailrace.app.backup.live import Backups
from tailrace.app.backup.moment import Places
from tailrace.app.bookkeeping import Bookkeeping
from tailrace.app.changes import Each
from tailrace.app.config import Config
from tailrace.app.control import control_store
from tailrace.app.front import Front
from tailrace.app.guarding import Guarding
from tailrace.app.keeping import keep, rewriting
from tailrace.app.methods import by_path
from tailrace.app.ownmetrics import OwnMetrics, measure_disk
from tailrace.app.queries import policy as query_policy
from tailrace.app.serving import SWITCH_S, settle
from tailrace.app.space import Space
from tailrace.app.streaming import Seen
from tailrace.app.streaming import hub as alert_hub
from tailrace.core import limits, log
from tailrace.core.access import Scope
from tailrace.core.clock import SystemClock
from tailrace.core.contracts import BULK_LANES, HOT_LANES
from tailrace.core.errors import StoreError
from tailrace.core.finding import Finding
from tailrace.core.frame import Signal
from tailrace.core.metrics import Metrics
from tailrace.gateway.answers import text_form
from tailrace.gateway.routes import routes as gateway_routes
from tailrace.governance.deletions import DeletionRecord
from tailrace.governance.deletions import routes as deletion_routes
from tailrace.governance.findings.http import routes as finding_routes
from tailrace.governance.fleet import Fleet
from tailrace.governance.http import routes as governance_routes
from tailrace.governance.keyepochs import KeyEpochs
from tailrace.governance.ledger.books import NAME as BOOKS
from tailrace.governance.ledger.known import Lost
from tailrace.governance.ledger.ledger import Ledger
from tailrace.governance.space.http import routes as space_routes
from tailrace.guard.audit import Audit
from tailrace.guard.http import audit_routes
from tailrace.query.bounds.http import routes as slow_routes
from tailrace.query.jaeger import routes as jaeger_routes
from tailrace.query.logs.logs import Logs
from tailrace.query.loki.http import routes as loki_routes
from tailrace.query.prometheus import routes as prometheus_routes
from tailrace.query.sampled.http import routes as sampling_routes
from tailrace.query.sampled.job import Comparing
from tailrace.query.service import QueryService
from tailrace.query.sources import HotAndArchive
from tailrace.query.sql.http import routes as sql_routes
from tailrace.query.tail.hub import Hub
from tailrace.query.tail.socket import routes as tail_routes
from tailrace.queue.buried import Buried
from tailrace.queue.desk import Desk
from tailrace.queue.files import OsFileSystem
from tailrace.queue.follower import LogFeed
from tailrace.queue.http import changing as letter_changes
from tailrace.queue.http import reading as letter_routes
from tailrace.queue.log import SegmentLog
from tailrace.store.archive import Archive
from tailrace.store.engine import Engine
from tailrace.store.expiry import TURN_S, Archived, Expiry
from tailrace.store.framerecord import FrameRecord
from tailrace.store.framerows import FrameRows
from tailrace.store.horizon import Horizon
from tailrace.store.reach import Reach
from tailrace.store.sampling import StoredRows
from tailrace.store.scratch import Scratch
from tailrace.store.seriesage import SeriesAge
from tailrace.store.tables import bulk_tables, hot_tables
from tailrace.store.upkeep import Upkeep
from tailrace.store.usage import table_bytes
from tailrace.ui.site import routes as ui_routes
from tailrace.writer.archiver import Archiver
from tailrace.writer.repair import readable
from tailrace.writer.writer import Writer

_log = log.get("app")
DRAIN_S = 30.0
INTERRUPTED = 130


class Runtime:
    """All rooms of one machine, wired."""

    def __init__(
        self, config: Config, listener: socket.socket, started: Callable[[], None] = lambda: None
    ) -> None:
        """`listener` is bound to `server.listen`; `started` is called when all is running. Raises
        ConfigError."""
        check_agent(config)
        self._config = config
        self._listener = listener
        self._started = started
        self._metrics = Metrics()
        self._clock = SystemClock()
        data = Path(config.server.data_dir).resolve()
        self._data = data
        self._scratch = Scratch(data)
        self._engine = Engine(data / "store", config.store.memory)
        self._queue = self._build_queue(data / "queue")
        self._control = control_store(config.server)
        self._bookkeeping = Bookkeeping(
            self._engine,
            self._queue,
            config.queue.max_size,
            self._control,
            self._clock,
            self._metrics,
        )
        self._guarding = Guarding(
            config,
            self._control,
            self._clock,
            self._metrics,
            self._queue,
            self._raised,
            self._bookkeeping.tally.away,
        )
        self._sink = self._guarding.guard
        self._space = self._build_space()
        self._front = self._build_front()
        self._fleet = Fleet(self._control, self._clock, self._metrics)
        self._deletions = DeletionRecord(self._control, self._clock)
        self._letters = Desk(self._queue, self._deletions, self._clock, self._metrics)
        self._ledger = self._build_ledger()
        self._archive = Archive(
            self._engine, archive(config, data), self._clock, KeyEpochs(self._control).since
        )
        self._horizon = Horizon(data / "store" / "horizon")
        self._backups = self._build_backups()
        self._audit = Audit(StoredRows(self._engine, self._archive))
        self._queries, self._comparing = self._build_queries()
        self._alerting = self._build_alerting()
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._agent: Agent | None = None

    def _build_alerting(self) -> Alerting:
        return Alerting(
            self._config.alerts,
            self._data,
            self._control,
            self._queries,
            self._front.door,
            LogFeed(self._queue, "writer"),
            Seen(
                alert_hub(self._queue, self._engine, self._scratch.path, self._clock),
                self._guarding.findings,
            ),
            self._clock,
            self._metrics,
        )

    def _build_ledger(self) -> Ledger:
        witnesses = (
            FrameRecord(self._engine),
            Lost(self._control),
            self._guarding.away,
            Buried(OsFileSystem(), self._data / "queue" / "dead"),
        )
        return self._bookkeeping.ledger(self._fleet, witnesses, self._handled)

    def _build_backups(self) -> Backups:
        server = self._config.server
        control = None if server.control else self._data / "control"
        return Backups(
            self._config.backup.directory,
            Places(self._data, self._archive.directory, control, ("limits.json",)),
            self._engine,
            self._queue,
            self._deletions,
            self._clock,
            self._metrics,
        )

    def _measure(self) -> None:
        """Set the metrics that are measured when they are asked for, but for the process's."""
        self._fleet.measure()
        self._letters.measure()
        self._backups.measure()
        measure_disk(self._metrics, self._data)

    def _raised(self, finding: Finding, sentence: str) -> None:
        self._alerting.raised(finding, sentence)

    def _build_queue(self, directory: Path) -> SegmentLog:
        queue = self._config.queue
        self._metrics.set("tailrace_queue_max_bytes", queue.max_size)
        self._metrics.set("tailrace_dead_letter_max_bytes", queue.dead_letter_size)
        return SegmentLog(
            directory,
            OsFileSystem(),
            self._clock,
            self._metrics,
            consumers=frozenset({"writer", "archiver", BOOKS}),
            segment_bytes=queue.segment_size,
            queue_bytes=queue.max_size,
            dead_letter_bytes=queue.dead_letter_size,
            disk_reserve_bytes=queue.disk_reserve,
        )

    def _build_queries(self) -> tuple[QueryService, Comparing]:
        reach = Reach(self._archive, self._horizon)
        queries = QueryService(
            self._engine,
            self._metrics,
            self._clock,
            policy=query_policy(self._config.query),
            sources=HotAndArchive(reach),
        )
        comparing = Comparing(
            self._engine,
            reach,
            partial(self._horizon.last_ns, Signal.LOGS),
            self._fleet.waiting_ns,
            self._handled,
            self._clock,
            self._metrics,
        )
        return queries, comparing

    def _build_front(self) -> Front:
        """Raises ConfigError."""
        return Front(
            self._config,
            self._data,
            self._control,
            self._clock,
            self._metrics,
            self._sink,
            self._space.watch,
        )

    def _build_space(self) -> Space:
        """Raises ConfigError."""
        queue, agent = self._data / "queue", self._config.agent.directory
        return Space(
            self._config.space,
            self._data,
            {
                "queue": queue,
                "dead letters": queue / "dead",
                "archive": archive(self._config, self._data),
                "spool": Path(agent) if agent else self._data / "agent",
            },
            self._config.queue.disk_reserve,
            partial(table_bytes, self._engine),
            self._clock,
            self._metrics,
        )

    @property
    def doors(self) -> list[str]:
        """Type and address of what is open beside `server.listen`."""
        return self._front.doors

    async def run(self) -> None:
        """Start, serve until SIGINT or SIGTERM, drain. A second SIGINT ends the process."""
        sys.setswitchinterval(SWITCH_S)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop.set)
        loop.add_signal_handler(signal.SIGINT, self._interrupted)
        await self._open()
        writer, archiver = self._start_lanes()
        jobs = (
            self._expiry(), self._upkeep(), self._ledger, self._bookkeeping, self._space.watch,
            self._comparing,
        )  # fmt: skip
        beside = [asyncio.create_task(one.run()) for one in jobs]
        if self._config.alerts.builtin:
            beside.append(asyncio.create_task(self._own_metrics().run()))
        try:
            self._start_agent(await self._front.serve(self._application(), self._listener))
            settle()
            listen = self._config.server.listen
            _log.info("started", extra={"listen": listen, "version": __version__})
            self._started()
            await self._ended()
        finally:
            for one in beside:
                one.cancel()
            await self._drain(writer, archiver)

    async def _ended(self) -> None:
        """Wait until it is to stop, or a part of it has ended."""
        stopped = asyncio.create_task(self._stop.wait())
        parts = (self._front, self._guarding, self._alerting)
        ends = {stopped, *self._tasks, *(end for part in parts for end in part.ends)}
        await asyncio.wait(ends, return_when="FIRST_COMPLETED")
        stopped.cancel()

    async def _open(self) -> None:
        """Raises ConfigError, StoreError, OSError."""
        try:
            await self._open_rooms()
        except (StoreError, OSError) as error:
            free, needed = shutil.disk_usage(self._data).free, limits.ENGINE_RESERVE_BYTES
            if free >= needed:
                raise
            free_mib, needed_mib, reserve_mib = (
                size // limits.MIB for size in (free, needed, self._config.queue.disk_reserve)
            )
            raise StoreError(
                f"server.data_dir: the disk of {self._data} is full: {free_mib} MiB are free, "
                f"{needed_mib} MiB are needed to start, and more than queue.disk_reserve, "
                f"{reserve_mib} MiB, to take anything; free some, or set another directory "
                f"({error})"
            ) from None

    async def _open_rooms(self) -> None:
        await self._front.open()
        await self._guarding.open()
        await asyncio.to_thread(self._scratch.open)
        await self._backups.open()
        await self._fleet.open()
        await self._ledger.open()
        try:
            await self._engine.open()
            await self._queue.open()
            await self._bookkeeping.open()
            await self._archive.open(self._queries.steps, self._horizon)
            await asyncio.to_thread(self._horizon.open, self._archive.upto)
            await self._alerting.open()
            await self._space.watch.open()
        except BaseException:
            # The engine's threads would keep the process from ending.
            await self._sink.close(0.0)
            await self._engine.close()
            raise

    def _interrupted(self) -> None:
        if self._stop.is_set():
            _log.warning("stopped at once; what was accepted is stored at the next start")
            os._exit(INTERRUPTED)  # no drain, as after a crash
        self._stop.set()

    def _start_lanes(self) -> tuple[Writer, Archiver]:
        changes = Each(self._queries.steps, self._alerting.arrivals)
        hot = hot_tables(self._engine, self._scratch.path, changes)
        bulk = bulk_tables(self._engine, self._scratch.path)
        writer = Writer(
            self._queue,
            self._queue.consumer("writer", HOT_LANES),
            hot,
            self._clock,
            self._metrics,
        )
        archiver = Archiver(
            self._queue,
            self._queue.consumer("archiver", BULK_LANES),
            hot,
            bulk,
            self._archive,
            lambda: writer.committed,
            self._clock,
            self._metrics,
            self._config.archive.step,
        )
        self._tasks = [asyncio.create_task(writer.run()), asyncio.create_task(archiver.run())]
        return writer, archiver

    async def _handled(self) -> bool:
        """Whether all that is in the queue now was stored and archived, waited for an hour."""
        return all([await self._queue.passed(name, TURN_S) for name in ("writer", "archiver")])

    def _expiry(self) -> Expiry:
        return Expiry(
            self._engine,
            self._horizon,
            Archived(self._handled, lambda: self._archive.upto),
            self._deletions,
            self._clock,
            self._metrics,
            keep(self._config.store),
            SeriesAge(
                self._engine,
                self._horizon,
                lambda tenant: self._archive.listing.oldest_ns(Signal.METRICS, tenant),
                self._deletions,
            ),
            rewriting(self._config.store),
        )

    def _upkeep(self) -> Upkeep:
        return upkeep(
            self._config.archive,
            self._engine,
            self._archive,
            self._queue,
            self._deletions,
            self._clock,
            self._metrics,
        )

    def _own_metrics(self) -> OwnMetrics:
        alerts = self._config.alerts
        return OwnMetrics(
            self._front.door,
            alerts.builtin_tenant,
            socket.gethostname(),
            self._measure,
            self._clock,
            self._metrics,
            alerts.interval,
        )

    def _application(self) -> Starlette:
        queries = self._queries
        logs = Logs(queries)
        guarded = self._front.entrance.guarded
        guarding = self._guarding
        letters = (self._letters, self._config.alerts.builtin_tenant, self._clock)
        routes: list[BaseRoute] = [
            *gateway_routes(self._front.door, guarding.registry(self._ledger)),
            *guarded(loki_routes(logs), Scope.QUERY, text_form),
            *guarded(tail_routes(logs, self._hub()), Scope.QUERY, text_form),
            *guarded(prometheus_routes(queries), Scope.QUERY),
            *guarded(self._alerting.reading(), Scope.QUERY),
            *guarded(self._alerting.changing(), Scope.ADMIN),
            *guarded(jaeger_routes(queries), Scope.QUERY),
            *guarded(slow_routes(queries.slow), Scope.ADMIN),
            *guarded(sampling_routes(self._comparing), Scope.QUERY),
            *guarded(space_routes(self._space.watch, self._space.usage, self._clock), Scope.ADMIN),
            *guarded(sql_routes(queries), Scope.QUERY),
            *guarded(backup_routes(self._backups, self._config.backup.keep), Scope.ADMIN),
            *guarded(governance_routes(self._fleet, self._clock), Scope.QUERY),
            *guarded(self._bookkeeping.routes(self._archive, self._horizon), Scope.QUERY),
            *guarded(deletion_routes(self._deletions, self._clock), Scope.QUERY),
            *guarded(letter_changes(*letters), Scope.ADMIN),
            *guarded(letter_routes(*letters), Scope.QUERY),
            *guarded(finding_routes(guarding.findings, self._clock), Scope.QUERY),
            *guarded(guarding.routes(), Scope.ERASE),
            *guarded(audit_routes(self._audit, guarding.guard.cleaner, self._clock), Scope.ADMIN),
            *self._front.routes(self._measure),
            *ui_routes(),
        ]
        return Starlette(routes=by_path(routes))

    def _hub(self) -> Hub:
        """What live tails follow."""
        rows = FrameRows(self._engine, self._scratch.path, readable)
        return Hub(LogFeed(self._queue, "writer"), rows, self._metrics, self._clock)

    def _start_agent(self, own: Own) -> None:
        if self._config.agent.inputs:
            settings = agent_settings(self._config, self._data, own)
            self._agent = Agent(settings, self._clock, self._metrics)
            self._agent.start()

    async def _drain(self, writer: Writer, archiver: Archiver) -> None:
        """What was read is sent, what was accepted is stored; the rest waits on disk."""
        _log.info("stopping: what was accepted is being stored; Ctrl-C again ends it at once")
        if self._agent:
            await asyncio.to_thread(self._agent.stop, 5.0)
        await self._backups.close()
        await self._alerting.close()
        await self._front.stop()
        await self._guarding.close()
        writer.stop()
        archiver.stop()
        _done, late = await asyncio.wait(self._tasks, timeout=DRAIN_S)
        for task in late:
            task.cancel()
        if late:
            _log.warning("not all was stored in time; it is kept in the queue")
        results = await asyncio.gather(*self._tasks, return_exceptions=True)
        self._audit.close()
        await self._sink.close(5.0)
        await self._queries.close()
        await self._engine.close()
        results += await self._front.close()
        await asyncio.to_thread(self._scratch.close)
        for result in results:
            if isinstance(result, Exception):
                raise result
        _log.info("stopped")
