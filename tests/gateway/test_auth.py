"""Who is let in: every form of a credential, well formed or not, and what each scope opens."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Message
from starlette.websockets import WebSocket

from tailrace.core.access import (
    ANYONE,
    Authorities,
    Scope,
    StaticToken,
    principal_of,
)
from tailrace.core.errors import Busy, Forbidden, Unauthenticated
from tailrace.core.metrics import Metrics
from tailrace.gateway import auth
from tailrace.gateway.answers import text_form
from tailrace.gateway.auth import Authenticate, Entrance
from tailrace.gateway.credentials import secrets_of

from .neighbours import PRINCIPALS, READER, SHOP, Book


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


FORMS = [
    f"Bearer {SHOP}",
    f"bearer  {SHOP} ",
    f"Splunk {SHOP}",
    f"Basic {encoded(f'anyone:{SHOP}')}",
    f"BASIC {encoded(f':{SHOP}')}",
    f"ApiKey {encoded(f'an-id:{SHOP}')}",
    f"ApiKey {SHOP}",
]
WRONG = [
    None,
    "",
    " ",
    SHOP,
    "Bearer",
    "Bearer ",
    f"Bearer {SHOP[:-1]}",
    f"Bearer {SHOP}x",
    f"Bearer  {SHOP} {SHOP}",
    f"Basic {SHOP}",
    "Basic %%",
    "Basic YQ",
    f"Basic {encoded(SHOP)}",
    f"Basic {encoded(f'{SHOP}:')}",
    f"Basic {base64.b64encode(bytes([255, 58, 255])).decode()}",
    f"ApiKey {encoded(f'{SHOP}:id')}",
    f"Digest {SHOP}",
    "Bearer \ufffd\ufffd",
    f"Bearer {SHOP.upper()}",
]


def entrance(**options: Any) -> tuple[Entrance, Book, Metrics]:
    book, metrics = Book(), Metrics()
    return Entrance(book, metrics, **options), book, metrics


@pytest.mark.parametrize("value", FORMS)
def test_every_form_of_a_credential_gives_its_principal(value: str) -> None:
    assert entrance()[0].authorise(value) == PRINCIPALS[SHOP]


@pytest.mark.parametrize("value", WRONG)
def test_anything_else_lets_nobody_in_and_is_counted(value: str | None) -> None:
    found, _, metrics = entrance()
    with pytest.raises(Unauthenticated) as caught:
        found.authorise(value)
    assert SHOP not in str(caught.value)
    assert metrics.get("tailrace_access_refused_total", "token") == 1


@given(
    st.sampled_from(["Bearer ", "Basic ", "ApiKey ", "Splunk ", "", "bearer", "BASIC  "]),
    st.one_of(
        st.text(max_size=80),
        st.binary(max_size=80).map(lambda data: base64.b64encode(data).decode()),
        st.binary(max_size=80).map(lambda data: data.decode("latin-1")),
    ),
)
def test_no_header_is_more_than_wrong(scheme: str, rest: str) -> None:
    secrets_of(scheme + rest)
    with pytest.raises(Unauthenticated):
        entrance()[0].authorise(scheme + rest)


def test_a_token_of_ours_counts_even_where_none_is_needed() -> None:
    found, book, _ = entrance(required=False)
    assert found.authorise(None) == ANYONE
    assert found.authorise("Splunk 00000000-0000-0000-0000-000000000000") == ANYONE
    assert found.authorise(f"Basic {encoded('elastic:changeme')}") == ANYONE
    assert found.authorise(f"Bearer {SHOP}").tenant == "shop"
    assert found.recognise(SHOP).tenant == "shop"
    del book.known[SHOP]
    for secret in (SHOP, "tr_", "tr_mistyped"):
        with pytest.raises(Unauthenticated):
            found.authorise(f"Bearer {secret}")
        with pytest.raises(Unauthenticated):
            found.recognise(secret)


def test_several_authorities_are_asked_in_turn() -> None:
    one = StaticToken("open sesame ü", ANYONE)
    both = Authorities(one, Book())
    assert both.principal("open sesame ü") == ANYONE
    assert both.principal(SHOP) == PRINCIPALS[SHOP]
    assert both.principal("\ud800") is None


async def say(request: Request) -> PlainTextResponse:
    return PlainTextResponse(principal_of(request.scope).tenant)


async def follow(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text(principal_of(socket.scope).tenant)
    await socket.receive()


def application(found: Entrance) -> Authenticate:
    routes: list[BaseRoute] = [
        Route("/ready", say),
        Route("/services/collector/health", say),
        Route("/page", say),
        *found.guarded([Route("/write", say, methods=["POST"])], Scope.INGEST),
        *found.guarded([Route("/read", say), WebSocketRoute("/tail", follow)], Scope.QUERY),
        *found.guarded([Route("/loki/{name}", say)], Scope.QUERY, text_form),
    ]
    return Authenticate(Starlette(routes=routes), found)


def ask(found: Entrance, method: str, path: str, *values: str | bytes | None) -> httpx.Response:
    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(app=application(found))
        headers = [(b"Authorization", v) for v in values if v is not None]
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(asked())


def test_a_scope_opens_its_own_routes_and_no_other() -> None:
    found, _, metrics = entrance()
    sender, reader = f"Bearer {SHOP}", f"Bearer {READER}"
    assert ask(found, "POST", "/write", sender).text == "shop"
    assert ask(found, "GET", "/read", reader).text == "shop"
    assert ask(found, "GET", "/page", sender).status_code == 200
    answer = ask(found, "GET", "/read", sender)
    assert (answer.status_code, answer.json()["reason"]) == (403, "scope")
    assert 'the scope "query"' in answer.json()["error"]
    answer = ask(found, "GET", "/loki/x", sender)
    assert (answer.status_code, answer.headers["content-type"][:10]) == (403, "text/plain")
    assert ask(found, "POST", "/write", reader).status_code == 403
    assert metrics.get("tailrace_access_refused_total", "scope") == 3


def test_nobody_gets_past_the_door_without_a_token() -> None:
    found, _, _ = entrance()
    for method, path in (("POST", "/write"), ("GET", "/read"), ("GET", "/page"), ("GET", "/none")):
        answer = ask(found, method, path)
        assert (answer.status_code, answer.json()["reason"]) == (401, "token")
        schemes = answer.headers.get_list("WWW-Authenticate")
        assert schemes == ['Bearer realm="tailrace"', 'Basic realm="tailrace"']
    for path in ("/ready", "/services/collector/health"):
        assert ask(found, "GET", path).status_code == 200
    assert ask(found, "GET", "/ready/").status_code == 401


@pytest.mark.parametrize(
    "value", [b"Bearer \xff\xfe", b"Basic \xc3\xbc", b"\x80 \x80", b"Bearer\t" + SHOP.encode()]
)
def test_bytes_that_are_no_text_are_no_credential(value: bytes) -> None:
    assert ask(entrance()[0], "GET", "/read", value).status_code == 401


def test_two_credentials_are_none() -> None:
    assert ask(entrance()[0], "GET", "/read", f"Bearer {READER}", "Basic eDp5").status_code == 401


def test_senders_come_again_when_tokens_cannot_be_checked() -> None:
    found, book, metrics = entrance()
    book.failure = Busy("tokens cannot be checked just now; try again", 15.0)
    answer = ask(found, "POST", "/write", f"Bearer {SHOP}")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "15")
    assert metrics.get("tailrace_access_refused_total", "busy") == 1


class Socket:
    """A client of `/tail`: what it was sent, as it comes."""

    def __init__(self, found: Entrance, secret: str) -> None:
        headers = [(b"authorization", f"Bearer {secret}".encode())] if secret else []
        self._scope = {
            "type": "websocket", "path": "/tail", "headers": headers, "query_string": b"",
        }  # fmt: skip
        self._application = application(found)
        self._said: asyncio.Queue[Message] = asyncio.Queue()
        self._heard: asyncio.Queue[Message] = asyncio.Queue()
        self._said.put_nowait({"type": "websocket.connect"})

    async def run(self) -> None:
        await self._application(self._scope, self._said.get, self._heard.put)

    async def hear(self) -> Message:
        return await asyncio.wait_for(self._heard.get(), 10)

    def leave(self) -> None:
        self._said.put_nowait({"type": "websocket.disconnect", "code": 1000})


@pytest.mark.parametrize("secret", ["", SHOP, "tr_unknown"])
def test_a_websocket_is_refused_before_it_is_accepted(secret: str) -> None:
    async def main() -> None:
        socket = Socket(entrance()[0], secret)
        await socket.run()
        assert await socket.hear() == {"type": "websocket.close", "code": 1008}

    asyncio.run(main())


def test_a_websocket_ends_with_its_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "RECHECK_S", 0.01)

    async def main() -> None:
        found, book, metrics = entrance()
        socket = Socket(found, READER)
        serving = asyncio.create_task(socket.run())
        assert (await socket.hear())["type"] == "websocket.accept"
        assert (await socket.hear())["text"] == "shop"
        book.failure = Busy("not now")
        while not metrics.get("tailrace_access_refused_total", "busy"):
            await asyncio.sleep(0)
        assert not serving.done()
        book.failure = None
        del book.known[READER]
        assert await socket.hear() == {"type": "websocket.close", "code": 1008}
        await serving

    asyncio.run(main())


def test_a_websocket_that_its_client_leaves_is_let_go() -> None:
    async def main() -> None:
        socket = Socket(entrance()[0], READER)
        serving = asyncio.create_task(socket.run())
        for _ in range(2):
            await socket.hear()
        socket.leave()
        await asyncio.wait_for(serving, 10)

    asyncio.run(main())


def test_a_refusal_is_an_input_error_of_its_status() -> None:
    assert (Unauthenticated("x").status, Forbidden("x").status) == (401, 403)
