"""One token before every route."""

from __future__ import annotations

import base64
import binascii
import hmac

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

OPEN_PATHS = frozenset({"/ready", "/health"})


class RequireToken:
    """ASGI middleware: 401 without the token, as `Bearer` or as the password of `Basic`.

    An empty `token` lets everyone in. `/ready` and `/health` are always open. A websocket is
    refused before it is accepted.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        guarded = scope["type"] in ("http", "websocket") and scope["path"] not in OPEN_PATHS
        if not self._token or not guarded or self._allowed(Headers(scope=scope)):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            answer = JSONResponse(
                {"error": "a token is required: Authorization: Bearer <token>", "reason": "token"},
                401,
            )
            # Two headers: browsers do not split one, and then offer no password.
            for scheme in ("Bearer", "Basic"):
                answer.headers.append("WWW-Authenticate", f'{scheme} realm="tailrace"')
            await answer(scope, receive, send)

    def _allowed(self, headers: Headers) -> bool:
        scheme, _, credential = headers.get("authorization", "").partition(" ")
        given = credential.strip().encode("latin-1", "replace")
        if scheme.lower() == "basic":
            try:
                given = base64.b64decode(given, validate=True).partition(b":")[2]
            except binascii.Error:
                return False
        elif scheme.lower() != "bearer":
            return False
        return hmac.compare_digest(given, self._token)
