"""History first, then live: from a real store, over the websocket's own protocol."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.types import ASGIApp
from tail_fakes import ALL, NOW, Place, bodies, row

from tailrace.core import limits
from tailrace.core.errors import Busy, StoreError
from tailrace.query.bounds.question import asked
from tailrace.query.logs.logs import Logs
from tailrace.query.service import QueryService
from tailrace.query.tail.socket import routes

SECOND = 1_000_000_000


class Socket:
    """The client's end of one websocket."""

    def __init__(self, app: ASGIApp, query: str, **asked: object) -> None:
        given = {"query": query, **{name: str(value) for name, value in asked.items()}}
        flags = given.pop("flags", "")
        self._scope = {
            "type": "websocket", "path": "/loki/api/v1/tail", "subprotocols": [],
            "headers": [(b"x-loki-response-encoding-flags", flags.encode())],
            "query_string": str(httpx.QueryParams(given)).encode(),
            "extensions": {"websocket.http.response": {}},
        }  # fmt: skip
        self._in: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._out: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._in.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.ensure_future(app(self._scope, self._in.get, self._sent))

    async def _sent(self, message: Any) -> None:
        self._out.put_nowait(message)

    async def event(self) -> dict[str, Any]:
        async with asyncio.timeout(20):
            return await self._out.get()

    async def message(self) -> dict[str, Any]:
        event = await self.event()
        assert event["type"] == "websocket.send", event
        found: dict[str, Any] = json.loads(event["text"])
        return found

    async def leave(self) -> None:
        self._in.put_nowait({"type": "websocket.disconnect", "code": 1000})
        async with asyncio.timeout(20):
            await self.task


class Shop:
    """An app over the engine, whose hub is of `place`."""

    def __init__(self, engine: Any, place: Place) -> None:
        self.engine = engine
        self.place = place
        self.tenant: str = engine.tenant()
        self.service = QueryService(engine, place.metrics, place.clock)
        self.app = Starlette(routes=routes(Logs(self.service), place.hub, lambda _: self.tenant))

    @asynccontextmanager
    async def follows(self, query: str = ALL, **asked: object) -> AsyncIterator[Socket]:
        socket = Socket(self.app, query, **asked)
        try:
            assert (await socket.event())["type"] == "websocket.accept"
            yield socket
        finally:
            await socket.leave()

    def store(self, seq: int, *lines: str, ns: int = NOW, **fields: Any) -> None:
        self.engine.load(
            self.tenant,
            [{"ns": ns + n, "body": one, "seq": seq, **fields} for n, one in enumerate(lines)],
        )

    def accept(self, seq: int, *lines: str, ns: int = NOW) -> None:
        rows = [row(one, ns + n) for n, one in enumerate(lines)]
        frame = self.place.frame(seq, rows, self.tenant)
        header = type(frame.header)(**{
            name: getattr(frame.header, name) for name in frame.header.__struct_fields__
        } | {"source": "source"})  # fmt: skip
        self.place.accept(type(frame)(header, frame.payload))


@pytest.fixture
def shop(engine: Any, place: Place) -> Shop:
    return Shop(engine, place)


def run(body: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(body())  # type: ignore[arg-type]


def test_history_comes_first_oldest_first_and_then_what_is_live(shop: Shop) -> None:
    shop.store(1, "a", "b", "c", ns=NOW - 9 * SECOND)

    async def body() -> None:
        async with shop.follows(limit=2) as socket:
            assert bodies(await socket.message()) == ["b", "c"]
            shop.accept(2, "d")
            assert bodies(await socket.message()) == ["d"]

    run(body)
    assert not shop.place.hub.running


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"start": NOW - 5 * SECOND}, ["new"]),
        ({"start": NOW - 7200 * SECOND}, ["old", "hour", "new"]),
        ({}, ["hour", "new"]),
        ({"start": 0, "limit": 1}, ["new"]),
    ],
)
def test_start_and_limit_say_how_much_history(
    shop: Shop, asked: dict[str, Any], found: list[str]
) -> None:
    for seq, (line, ago_s) in enumerate({"old": 7000, "hour": 3000, "new": 3}.items()):
        shop.store(seq, line, ns=NOW - ago_s * SECOND)

    async def body() -> None:
        async with shop.follows(**asked) as socket:
            assert bodies(await socket.message()) == found

    run(body)


def test_without_a_limit_there_is_no_history(shop: Shop) -> None:
    shop.store(1, "a")

    async def body() -> None:
        async with shop.follows(limit=0) as socket:
            shop.accept(2, "b")
            assert bodies(await socket.message()) == ["b"]

    run(body)


def test_a_frame_that_is_stored_before_the_history_is_read_comes_once(shop: Shop) -> None:
    shop.store(1, "before")
    waiting = asyncio.Event()

    async def stored(_: float) -> bool:
        await waiting.wait()
        return True

    shop.place.stored = stored  # type: ignore[method-assign]

    async def body() -> None:
        async with shop.follows(limit=3) as socket:
            shop.accept(2, "x", "y", "live")
            shop.store(2, "x", "y", "live")
            shop.store(3, "late", ns=NOW + 9)  # acknowledged before, and stored only now
            waiting.set()
            assert bodies(await socket.message()) == ["before", "late"]
            assert bodies(await socket.message()) == ["x", "y", "live"]

    run(body)


def test_history_has_the_same_shape_as_what_is_live(shop: Shop) -> None:
    shop.store(1, "a", trace="9", attributes={"u.id": "7"}, resource={"zone": "z"})

    async def body() -> None:
        for flags in ("", "categorize-labels"):
            async with shop.follows(flags=flags) as socket:
                found = await socket.message()
                entry = row("a", trace="9", attributes={"u.id": "7"}, resource={"zone": "z"})
                shop.place.accept(shop.place.frame(hash(flags), [entry], shop.tenant))
                assert await socket.message() == found

    run(body)


def test_history_of_line_filters(shop: Shop) -> None:
    shop.store(1, "a one", "b two", "c one")

    async def body() -> None:
        async with shop.follows(ALL + ' |= "one" !~ "^c"') as socket:
            assert bodies(await socket.message()) == ["a one"]
        async with shop.follows(ALL + ' |= "none"') as socket:
            shop.accept(2, "none", "one")
            assert bodies(await socket.message()) == ["none"]

    run(body)


def test_a_store_that_is_behind_is_told(shop: Shop) -> None:
    shop.place.stored_answers = [False]

    async def body() -> None:
        async with shop.follows() as socket:
            found = await socket.message()
            assert "the store is behind" in found["dropped_entries"][0]["labels"]["reason"]

    run(body)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"query": "{"}, "1:2"),
        ({"query": 'rate({a="b"}[1m])'}, ""),
        ({"query": '{a=~"("}'}, "RE2"),
        ({"query": '{a=~".*"}'}, "empty"),
        ({"query": ""}, ""),
        ({"limit": "x"}, "limit"),
        ({"limit": "5001"}, "limit"),
        ({"start": "yesterday"}, "start"),
        ({"delay_for": "6"}, "delay_for"),
        ({"delay_for": "1s"}, "delay_for"),
    ],
)
def test_what_is_wrong_is_refused_before_the_upgrade(
    shop: Shop, asked: dict[str, str], said: str
) -> None:
    async def body() -> None:
        socket = Socket(shop.app, **{"query": ALL, **asked})
        event = await socket.event()
        assert (event["type"], event["status"]) == ("websocket.http.response.start", 400)
        assert said in (await socket.event())["body"].decode()
        await socket.leave()

    run(body)
    assert not shop.place.hub.running


def test_too_many_followers_are_503(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TAIL_FOLLOWERS", 0)

    async def body() -> None:
        socket = Socket(shop.app, ALL)
        event = await socket.event()
        assert event["status"] == 503
        assert (b"retry-after", b"10") in event["headers"]
        await socket.leave()

    run(body)


@pytest.mark.parametrize(
    ("error", "code"), [(StoreError("no"), 1011), (TimeoutError(), 1011), (Busy("no"), 1013)]
)
def test_a_history_that_fails_closes_with_a_reason(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int
) -> None:
    async def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(shop.service, "run", fails)

    async def body() -> None:
        async with shop.follows() as socket:
            event = await socket.event()
            assert (event["type"], event["code"]) == ("websocket.close", code)
            assert "again" in event["reason"]

    run(body)
    assert not shop.place.hub.running


def test_history_is_asked_in_the_name_of_its_tenant(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[tuple[str, str]] = []

    async def noted(*_: object) -> list[tuple[object, ...]]:
        found.append((asked().tenant, asked().text))
        return []

    monkeypatch.setattr(shop.service, "run", noted)

    async def body() -> None:
        async with shop.follows() as socket:
            shop.accept(1, "live")
            assert bodies(await socket.message()) == ["live"]

    run(body)
    assert set(found) == {(shop.tenant, ALL)}


def test_a_client_that_goes_while_its_history_is_read_is_let_go(shop: Shop) -> None:
    async def never(_: float) -> bool:
        await asyncio.Event().wait()
        return False

    shop.place.stored = never  # type: ignore[method-assign]

    async def body() -> None:
        async with shop.follows():
            assert shop.place.hub.running

    run(body)
    assert not shop.place.hub.running
