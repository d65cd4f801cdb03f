"""What Alertmanager's endpoints have in common: JSON, times, errors.

An error is a JSON string, as its clients print it.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from tailrace.alerts.delivery import matching
from tailrace.core import limits
from tailrace.core.alerting import Matcher
from tailrace.core.errors import InputError, StoreError
from tailrace.core.log import get

_log = get("alerts")
PREFIX = "/api/v2"
Handler = Callable[[Request], Awaitable[Response]]


def answer(value: object, status: int = 200) -> Response:
    """`value` as JSON. In ASCII, since labels may hold half a character of UTF-16."""
    return Response(json.dumps(value), status, media_type="application/json")


def answered(handler: Handler) -> Handler:
    """A route that answers what `handler` raises: 400, or 503 when the store cannot be asked."""

    async def route(request: Request) -> Response:
        try:
            return await handler(request)
        except InputError as error:
            return answer(str(error), 400)
        except StoreError as error:
            _log.error("alerts and silences cannot be asked for", extra={"why": str(error)})
            return answer("the control store does not answer just now; try again", 503)

    return route


def filters(request: Request) -> list[Matcher]:
    """The matchers of all parameters `filter`. Raises InputError."""
    found: list[Matcher] = []
    try:
        for text in request.query_params.getlist("filter"):
            found += matching.parse(text)
    except ValueError as error:
        raise InputError(f"filter: {error}", "filter") from None
    if len(found) > limits.SILENCE_MATCHERS:
        raise InputError(f"filter: more than {limits.SILENCE_MATCHERS} matchers", "filter")
    return found
