"""Live tail: a websocket that polls the store for rows that arrived since the last look.

A row becomes visible some time after its IngestTime, and not in that order. So every look reaches
back LOOK_BACK_NS, and what was already seen there is counted and subtracted.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from tailrace.core import limits
from tailrace.core.errors import Busy, QueryError, TailraceError
from tailrace.query import loki, plan
from tailrace.query.binder import Binder
from tailrace.query.bounds.question import Question, asking
from tailrace.query.logql.ast import LogQuery
from tailrace.query.logql.parser import parse_log
from tailrace.query.selection import conditions
from tailrace.query.service import LogRange, QueryService
from tailrace.query.times import SECOND_NS, parse_time

POLL_S = 0.5
LOOK_BACK_NS = 10 * SECOND_NS
# Older events than this that arrive now are a catch-up, not news; also lets whole days be skipped.
OLDEST_EVENT_NS = 24 * 3600 * SECOND_NS
COLUMNS = f"{plan.ROW_COLUMNS}, Source, Epoch, Seq"
ROW = 9


class Follower:
    """Finds what is new. `start` first, then `look` again and again."""

    def __init__(self, service: QueryService, query: LogQuery, tenant: str) -> None:
        self._service = service
        self._query = query
        self._tenant = tenant
        self._seen: Counter[int] = Counter()

    async def start(self) -> None:
        """Check the query; what is there already is not news."""
        now = self._service.clock.wall_ns()
        await self._service.scope(self._query, self._tenant, now - OLDEST_EVENT_NS, now)
        self._seen = Counter(map(_key, await self._recent()))

    async def look(self) -> tuple[list[tuple[Any, ...]], int]:
        """New rows of plan.ROW_COLUMNS, oldest first, and how many more were dropped."""
        rows = await self._recent()
        before = self._seen
        self._seen = Counter(map(_key, rows))
        spare = before.copy()
        fresh = []
        for row in reversed(rows):
            key = _key(row)
            if spare[key] > 0:
                spare[key] -= 1
            else:
                fresh.append(row[:ROW])
        fresh.sort(key=lambda row: int(row[0]))
        dropped = max(0, len(fresh) - limits.TAIL_ROWS)
        return fresh[dropped:], dropped

    async def _recent(self) -> list[tuple[Any, ...]]:
        now = self._service.clock.wall_ns()
        scope = await self._service.scope(self._query, self._tenant, now - OLDEST_EVENT_NS, now)
        bind = Binder()
        where = conditions(self._query, self._tenant, scope.keys, bind)
        where.append(f"IngestTime > {plan.moment(now - LOOK_BACK_NS, bind)}")
        where.append(f"Timestamp > {plan.moment(now - OLDEST_EVENT_NS, bind)}")
        sql = (
            f"SELECT {COLUMNS} FROM {plan.TABLE} WHERE {' AND '.join(where)} "
            f"ORDER BY IngestTime DESC, _part_offset DESC LIMIT {50 * limits.TAIL_ROWS}"
        )
        return await self._service.run(plan.Statement(sql, bind.values))


def _key(row: tuple[Any, ...]) -> int:
    return hash((row[:5], tuple(row[5].items()), row[6:8], tuple(row[8].items()), row[9:]))


class Tail:
    """The websocket endpoint, an ASGI application."""

    def __init__(self, service: QueryService, identify: Callable[[HTTPConnection], str]) -> None:
        self._service = service
        self._identify = identify
        self._followers = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        socket = WebSocket(scope, receive, send)
        tenant = self._identify(socket)
        with asking(Question(tenant, socket.query_params.get("query", ""), "logql")):
            await self._answer(socket, tenant)

    async def _answer(self, socket: WebSocket, tenant: str) -> None:
        try:
            follower, history = await self._open(socket, tenant)
        except (TailraceError, TimeoutError) as error:
            await socket.send_denial_response(_denial(error))
            return
        self._count(1)
        try:
            await self._follow(socket, follower, history)
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        self._followers += change
        self._service.metrics.set("tailrace_tail_followers", self._followers)

    async def _open(self, socket: WebSocket, tenant: str) -> tuple[Follower, list[tuple[Any, ...]]]:
        if self._followers >= limits.TAIL_FOLLOWERS:
            raise Busy(f"more than {limits.TAIL_FOLLOWERS} followers (TAIL_FOLLOWERS)", 10)
        query = parse_log(socket.query_params.get("query", ""))
        follower = Follower(self._service, query, tenant)
        await follower.start()
        return follower, await self._history(socket, query, tenant)

    async def _history(
        self, socket: WebSocket, query: LogQuery, tenant: str
    ) -> list[tuple[Any, ...]]:
        """The last `limit` lines since `start`, only when `start` is given."""
        start, limit = socket.query_params.get("start"), socket.query_params.get("limit", "100")
        if not start:
            return []
        if not limit.isascii() or not limit.isdigit() or len(limit) > 9:
            raise QueryError(f"limit={limit[:32]!r} is no number from 0 to {limits.QUERY_ROWS}")
        if limit == "0":
            return []
        end = self._service.clock.wall_ns() + SECOND_NS
        wanted = LogRange(parse_time(start, "start"), end, int(limit))
        return (await self._service.lines(query, tenant, wanted))[::-1]

    async def _follow(
        self, socket: WebSocket, follower: Follower, history: list[tuple[Any, ...]]
    ) -> None:
        await socket.accept()
        gone = asyncio.ensure_future(_wait_closed(socket))
        try:
            if history:
                await _send(socket, history, 0)
            while not gone.done():
                rows, dropped = await follower.look()
                if rows:
                    await _send(socket, rows, dropped)
                await asyncio.wait([gone], timeout=POLL_S)
        except (WebSocketDisconnect, OSError):
            pass
        except (TailraceError, TimeoutError):
            await socket.close(1011, "the store failed; connect again")
        finally:
            gone.cancel()


async def _wait_closed(socket: WebSocket) -> None:
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


async def _send(socket: WebSocket, rows: list[tuple[Any, ...]], dropped: int) -> None:
    flags = socket.headers.get("x-loki-response-encoding-flags", "")
    message: dict[str, Any] = {}
    if loki.CATEGORIZE in flags:
        message["encodingFlags"] = [loki.CATEGORIZE]
    message["streams"] = loki.streams(rows, loki.CATEGORIZE in flags)
    lost = {"labels": {"reason": f"{dropped} lines too many"}, "timestamp": str(rows[0][0])}
    message["dropped_entries"] = [lost] if dropped else []
    await socket.send_text(msgspec.json.encode(message).decode())


def _denial(error: Exception) -> PlainTextResponse:
    if isinstance(error, QueryError):
        return PlainTextResponse(f"{error}\n", 400)
    return PlainTextResponse(f"{error}\n", 503)
