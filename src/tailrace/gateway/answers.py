"""Errors as answers, in the form that each protocol's clients read."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from tailrace.core.access import Scope, allow, principal_of
from tailrace.core.errors import Busy, InputError
from tailrace.core.log import get
from tailrace.gateway.door import Door

Handler = Callable[[Request], Awaitable[Response]]
# status, message, reason -> an answer in the form of one protocol
Form = Callable[[Request, int, str, str], Response]

_log = get("gateway")


def media_type(request: Request) -> str:
    """Of the request's body, in lower case and without parameters."""
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


def json_answer(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def json_form(request: Request, status: int, message: str, reason: str) -> Response:
    return json_answer({"error": message, "reason": reason}, status)


def text_form(request: Request, status: int, message: str, reason: str) -> Response:
    return PlainTextResponse(message, status)


def answered(door: Door, handler: Handler, form: Form, kind: str, needed: Scope) -> Handler:
    """`handler`, for principals with the scope `needed`, with every error turned into an answer and
    counted; `kind` labels the requests."""

    async def answer(request: Request) -> Response:
        door.metrics.add("tailrace_ingest_requests_total", 1, kind)
        try:
            allow(principal_of(request.scope), needed)
            return await handler(request)
        except InputError as error:
            door.metrics.add("tailrace_ingest_rejected_total", 1, error.reason)
            return form(request, error.status, str(error), error.reason)
        except Busy as error:
            return _busy(door, form, request, error)
        except Exception:
            _log.exception("a route failed")
            return _busy(door, form, request, Busy("the gateway failed; try again", 5.0))

    return answer


def _busy(door: Door, form: Form, request: Request, error: Busy) -> Response:
    door.metrics.add("tailrace_ingest_rejected_total", 1, error.reason)
    return busy_answer(form, request, error)


def busy_answer(form: Form, request: Request, error: Busy) -> Response:
    """429 or 503 with Retry-After."""
    answer = form(request, 503 if error.overload else 429, str(error), error.reason)
    answer.headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    return answer
