"""`tailrace up`: every room in one process, started in order and drained in reverse."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from tailrace import __version__
from tailrace.agent.agent import Agent
from tailrace.app import config as configuration
from tailrace.app.agent import agent_settings, archive
from tailrace.app.config import Config
from tailrace.app.websocket import WebSocketProtocol
from tailrace.core import log, process
from tailrace.core.clock import SystemClock
from tailrace.core.contracts import BULK_LANES, HOT_LANES
from tailrace.core.metrics import Metrics
from tailrace.gateway.auth import RequireToken
from tailrace.gateway.door import Door
from tailrace.gateway.routes import routes as gateway_routes
from tailrace.governance.control import Control
from tailrace.governance.fleet import Fleet
from tailrace.governance.http import routes as governance_routes
from tailrace.guard.passthrough import PassThrough
from tailrace.query.http import routes as query_routes
from tailrace.query.prometheus import routes as prometheus_routes
from tailrace.query.service import QueryService
from tailrace.queue.files import OsFileSystem
from tailrace.queue.log import SegmentLog
from tailrace.store.archive import Archive
from tailrace.store.engine import Engine
from tailrace.store.scratch import Scratch
from tailrace.store.tables import bulk_tables, hot_tables
from tailrace.ui.site import routes as ui_routes
from tailrace.writer.archiver import Archiver
from tailrace.writer.writer import Writer

_log = log.get("app")
DRAIN_S = 30.0
INTERRUPTED = 130
IDLE_CONNECTION_S = 75


class _HttpServer(uvicorn.Server):
    """uvicorn without its signal handlers: the runtime decides the order of the stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Runtime:
    """All rooms of one machine, wired."""

    def __init__(
        self, config: Config, listener: socket.socket, started: Callable[[], None] = lambda: None
    ) -> None:
        """`listener` is bound to `server.listen`; `started` is called when all is running."""
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
        self._control = Control(data / "control")
        self._fleet = Fleet(self._control, self._clock, self._metrics)
        self._archive = Archive(self._engine, archive(config, data))
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._agent: Agent | None = None

    def _build_queue(self, directory: Path) -> SegmentLog:
        queue = self._config.queue
        return SegmentLog(
            directory,
            OsFileSystem(),
            self._clock,
            self._metrics,
            consumers=frozenset({"writer", "archiver"}),
            segment_bytes=queue.segment_size,
            queue_bytes=queue.max_size,
            dead_letter_bytes=queue.dead_letter_size,
            disk_reserve_bytes=queue.disk_reserve,
        )

    async def run(self) -> None:
        """Start, serve until SIGINT or SIGTERM, drain. A second SIGINT ends the process."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop.set)
        loop.add_signal_handler(signal.SIGINT, self._interrupted)
        await asyncio.to_thread(self._scratch.open)
        await self._control.open()
        await self._fleet.open()
        await self._engine.open()
        await self._queue.open()
        await self._archive.open()
        writer, archiver = self._start_lanes()
        http, serving = await self._serve()
        self._start_agent()
        _log.info("started", extra={"listen": self._config.server.listen, "version": __version__})
        self._started()
        stopped = asyncio.create_task(self._stop.wait())
        await asyncio.wait({stopped, serving, *self._tasks}, return_when="FIRST_COMPLETED")
        stopped.cancel()
        await self._drain(http, serving, writer, archiver)

    def _interrupted(self) -> None:
        if self._stop.is_set():
            _log.warning("stopped at once; what was accepted is stored at the next start")
            os._exit(INTERRUPTED)  # no drain, as after a crash
        self._stop.set()

    def _start_lanes(self) -> tuple[Writer, Archiver]:
        hot = hot_tables(self._engine, self._scratch.path)
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

    async def _serve(self) -> tuple[_HttpServer, asyncio.Task[None]]:
        logging.getLogger("uvicorn").setLevel(logging.WARNING)
        http = _HttpServer(
            uvicorn.Config(
                self._application(),
                http="httptools",
                ws=WebSocketProtocol,
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=IDLE_CONNECTION_S,
            )
        )
        serving = asyncio.create_task(http.serve([self._listener]))
        while not (http.started or serving.done()):  # noqa: ASYNC110 - uvicorn has no event
            await asyncio.sleep(0.01)
        return http, serving

    def _application(self) -> ASGIApp:
        door = Door(PassThrough(self._queue), self._clock, self._metrics, ready=self._queue.ready)
        queries = QueryService(self._engine, self._metrics, self._clock)
        routes: list[BaseRoute] = [
            *gateway_routes(door, self._fleet),
            *query_routes(queries),
            *prometheus_routes(queries),
            *governance_routes(self._fleet, self._clock),
            Route("/metrics", self._render_metrics),
            *ui_routes(),
        ]
        application: ASGIApp = Starlette(routes=routes)
        token = configuration.token(self._config.server, "server")
        return RequireToken(application, token) if token else application

    async def _render_metrics(self, _request: Request) -> PlainTextResponse:
        process.measure(self._metrics)
        self._fleet.measure()
        return PlainTextResponse(self._metrics.render(), media_type="text/plain; version=0.0.4")

    def _start_agent(self) -> None:
        if self._config.agent.inputs:
            settings = agent_settings(self._config, self._data)
            self._agent = Agent(settings, self._clock, self._metrics)
            self._agent.start()

    async def _drain(
        self,
        http: _HttpServer,
        serving: asyncio.Task[None],
        writer: Writer,
        archiver: Archiver,
    ) -> None:
        """What was read is sent, what was accepted is stored; the rest waits on disk."""
        _log.info("stopping: what was accepted is being stored; Ctrl-C again ends it at once")
        if self._agent:
            await asyncio.to_thread(self._agent.stop, 5.0)
        http.should_exit = True
        await asyncio.wait({serving}, timeout=10)
        writer.stop()
        archiver.stop()
        _done, late = await asyncio.wait(self._tasks, timeout=DRAIN_S)
        for task in late:
            task.cancel()
        if late:
            _log.warning("not all was stored in time; it is kept in the queue")
        results = await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._queue.close(5.0)
        await self._engine.close()
        await self._control.close()
        await asyncio.to_thread(self._scratch.close)
        for result in results:
            if isinstance(result, Exception):
                raise result
        _log.info("stopped")
