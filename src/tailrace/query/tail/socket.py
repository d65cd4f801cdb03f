"""The websocket of a live tail, `/loki/api/v1/tail`.

A query that is wrong is refused before the upgrade. Closed with 1008 when the credential ends, 1011
when the store failed or the client does not answer pings, 1012 when the server stops, 1013 when
there is too much to do: connect again.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from tailrace.core import limits
from tailrace.core.errors import Busy, TailraceError
from tailrace.query.asked import Identify, credential_tenant, whole
from tailrace.query.bounds.connected import left
from tailrace.query.bounds.question import Question, asking
from tailrace.query.endpoint import plain
from tailrace.query.logql.ast import LogQuery
from tailrace.query.logql.parser import parse_log
from tailrace.query.logs.entries import categorizes
from tailrace.query.logs.logs import Logs
from tailrace.query.pipeline.pipeline import Pipeline
from tailrace.query.tail.history import history
from tailrace.query.tail.hub import Hub
from tailrace.query.tail.outlet import Outlet
from tailrace.query.tail.parcel import parcels
from tailrace.query.times import HOUR_NS, SECOND_NS, parse_time

HISTORY_LINES = "100"
FAILED = (1011, "the store failed; connect again")
LATER = (1013, "too much to do; connect again")


@dataclass(frozen=True)
class Wanted:
    """What a follower asked for. `limit` lines at most of what there is since `start_ns`."""

    query: LogQuery
    start_ns: int
    limit: int
    delay_ns: int
    categorize: bool


def wanted(socket: HTTPConnection, now_ns: int) -> Wanted:
    """The parameters of a tail. Raises QueryError."""
    given = socket.query_params
    start = given.get("start")
    return Wanted(
        parse_log(given.get("query", "")),
        parse_time(start, "start") if start else max(now_ns - HOUR_NS, 0),
        whole(given.get("limit") or HISTORY_LINES, "limit", most=limits.QUERY_ROWS),
        whole(given.get("delay_for") or "0", "delay_for", most=limits.TAIL_DELAY_S) * SECOND_NS,
        categorizes(socket),
    )


def routes(logs: Logs, hub: Hub, identify: Identify = credential_tenant) -> list[BaseRoute]:
    """The route. `hub` is what is followed; `identify` gives the tenant of a connection."""
    return [WebSocketRoute("/loki/api/v1/tail", Tail(logs, hub, identify))]


class Tail:
    """The websocket endpoint, an ASGI application."""

    def __init__(self, logs: Logs, hub: Hub, identify: Identify) -> None:
        self._logs = logs
        self._service = logs.service
        self._identify = identify
        self._hub = hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        socket = WebSocket(scope, receive, send)
        try:
            tenant = self._identify(socket)
            asked = wanted(socket, self._service.clock.wall_ns())
            Pipeline(asked.query.stages)  # refuses what cannot run
            outlet = self._hub.join(tenant, asked.query, asked.delay_ns, asked.categorize)
        except (TailraceError, TimeoutError) as error:
            self._service.metrics.add("tailrace_query_rejected_total", label=type(error).__name__)
            await socket.send_denial_response(plain(error))
            return
        try:
            with contextlib.suppress(WebSocketDisconnect, OSError):
                await socket.accept()
                await self._serve(socket, outlet, asked)
        finally:
            self._hub.leave(outlet)

    async def _serve(self, socket: WebSocket, outlet: Outlet, asked: Wanted) -> None:
        """Until the client is gone."""
        gone = asyncio.create_task(left(socket.receive))
        sending = asyncio.create_task(self._send(socket, outlet, asked))
        try:
            await asyncio.wait({gone, sending}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                await sending
        finally:
            gone.cancel()
            sending.cancel()
            await asyncio.gather(gone, sending, return_exceptions=True)

    async def _send(self, socket: WebSocket, outlet: Outlet, asked: Wanted) -> None:
        try:
            if asked.limit:
                query = asked.query
                limit, start_ns = asked.limit, asked.start_ns
                with asking(Question(outlet.tenant, socket.query_params.get("query", ""))):
                    before = await history(
                        self._logs, self._hub.feed, query, outlet, start_ns, limit
                    )
                for parcel in parcels(before, asked.categorize):
                    await socket.send_text(parcel.text())
            self._hub.settled(outlet)
        except Busy:
            await socket.close(*LATER)
            return
        except (TailraceError, TimeoutError):
            await socket.close(*FAILED)
            return
        while not outlet.overrun:
            text = await outlet.next(self._service.clock)
            await self._hub.turns.take()
            await socket.send_text(text)
        await socket.close(*LATER)
