"""Who comes in, and what they may do here."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Iterable
from typing import cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Connection

from tailrace.core.access import (
    ANYONE,
    KEY,
    PREFIX,
    Authority,
    Principal,
    Scope,
    allow,
    principal_of,
)
from tailrace.core.errors import Busy, Forbidden, Unauthenticated
from tailrace.core.metrics import Metrics
from tailrace.gateway import splunk
from tailrace.gateway.answers import Form, busy_answer, json_form
from tailrace.gateway.credentials import secrets_of

# Whether the process lives and can take something is no secret, and who asks that has no token.
OPEN_PATHS = frozenset(
    {"/ready", "/health", "/services/collector/health", "/services/collector/health/1.0"}
)
# A connection that stays open is asked about as often as this: what is revoked ends.
RECHECK_S = 2.0


class Entrance:
    """Asked by every listener of a process, HTTP or not.

    Where a credential is not `required`, everyone is ANYONE, except who brings a token of ours:
    that one counts, and is refused when it lets nobody in. Other credentials are passed over,
    since many clients cannot send none. Without an `authority` nobody is asked anything.
    """

    def __init__(
        self, authority: Authority | None, metrics: Metrics, required: bool = True
    ) -> None:
        self._authority = authority
        self._metrics = metrics
        self._required = required

    def authorise(self, value: str | None) -> Principal:
        """Who it is, by the value of an Authorization header or of gRPC's metadata of that name.

        Raises Unauthenticated ("token"), and Busy when the tokens cannot be checked.
        """
        return self._one_of(secrets_of(value) if value else ())

    def recognise(self, secret: str | None) -> Principal:
        """Like `authorise`, by the token itself."""
        return self._one_of((secret,) if secret else ())

    def _one_of(self, secrets: tuple[str, ...]) -> Principal:
        if self._authority is None:
            return ANYONE
        for secret in secrets:
            try:
                found = self._authority.principal(secret)
            except Busy:
                self._metrics.add("tailrace_access_refused_total", 1, "busy")
                raise
            if found:
                return found
        if self._required or any(secret.startswith(PREFIX) for secret in secrets):
            self._metrics.add("tailrace_access_refused_total", 1, "token")
            raise Unauthenticated("a valid token is required: Authorization: Bearer TOKEN", "token")
        return ANYONE

    def guarded(
        self, routes: Iterable[BaseRoute], needed: Scope, form: Form = json_form
    ) -> list[BaseRoute]:
        """`routes` for those alone who have the scope; others get 403 in this form."""
        found: list[BaseRoute] = []
        for route in routes:
            kept = cast(Route, copy.copy(route))
            kept.app = _Guard(kept.app, needed, form, self._metrics)
            found.append(kept)
        return found


class Authenticate:
    """ASGI middleware: leaves the principal in the scope, or answers 401.

    A websocket is refused before it is accepted, and closed when its token ends.
    """

    def __init__(self, app: ASGIApp, entrance: Entrance) -> None:
        self._app = app
        self._entrance = entrance

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        value = _authorization(scope)
        try:
            principal = self._entrance.authorise(value)
        except (Unauthenticated, Busy) as error:
            await _refuse(scope, receive, send, _answer(Request({**scope, "type": "http"}), error))
            return
        known = {**scope, KEY: principal}
        if scope["type"] == "websocket":
            await self._while_valid(value, known, receive, send)
        else:
            await self._app(known, receive, send)

    async def _while_valid(
        self, value: str | None, scope: Connection, receive: Receive, send: Send
    ) -> None:
        serving = asyncio.ensure_future(self._app(scope, receive, send))
        try:
            while not (await asyncio.wait({serving}, timeout=RECHECK_S))[0]:
                try:
                    self._entrance.authorise(value)
                except Unauthenticated:
                    serving.cancel()
                    await asyncio.wait({serving})
                    await send({"type": "websocket.close", "code": 1008})
                    return
                except Busy:
                    pass  # who was let in stays until it is known better
        finally:
            serving.cancel()
        await serving


class _Guard:
    """One route, behind one scope."""

    def __init__(self, app: ASGIApp, needed: Scope, form: Form, metrics: Metrics) -> None:
        self._app = app
        self._needed = needed
        self._form = form
        self._metrics = metrics

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        try:
            allow(principal_of(scope), self._needed)
        except Forbidden as error:
            self._metrics.add("tailrace_access_refused_total", 1, error.reason)
            request = Request({**scope, "type": "http"})
            answer = self._form(request, error.status, str(error), error.reason)
            await _refuse(scope, receive, send, answer)
        else:
            await self._app(scope, receive, send)


def _authorization(scope: Connection) -> str | None:
    """The one Authorization header; two contradict each other and are none."""
    found = [value for name, value in scope["headers"] if name == b"authorization"]
    return found[0].decode(errors="replace") if len(found) == 1 else None


def _answer(request: Request, error: Unauthenticated | Busy) -> Response:
    form = _form(request.url.path)
    if isinstance(error, Busy):
        return busy_answer(form, request, error)
    answer = form(request, error.status, str(error), error.reason)
    # Two headers: browsers do not split one, and then offer no password.
    for scheme in ("Bearer", "Basic"):
        answer.headers.append("WWW-Authenticate", f'{scheme} realm="tailrace"')
    return answer


def _form(path: str) -> Form:
    """Of the protocols whose clients look at more than the status."""
    return splunk.error_form if path.startswith(splunk.BASE) else json_form


async def _refuse(scope: Connection, receive: Receive, send: Send, answer: Response) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})
    else:
        await answer(scope, receive, send)
