"""What the HTTP routes of this room have in common: parameters, errors, JSON."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tailrace.core import log, parameters
from tailrace.core.access import principal_of
from tailrace.core.errors import QueryError, StoreError

_log = log.get("governance")
DEFAULT_LIMIT = 1_000
_Read = Callable[[Request], Awaitable[object]]


def answered(read: _Read) -> Callable[[Request], Awaitable[Response]]:
    """A route that answers with what `read` gives, as JSON unless it is a Response. A QueryError is
    400, a StoreError 503."""

    async def answer(request: Request) -> Response:
        try:
            found = await read(request)
            return found if isinstance(found, Response) else json(found)
        except QueryError as error:
            return json({"error": str(error), "reason": "parameter"}, 400)
        except StoreError as error:
            _log.error("the control store cannot be read", extra={"why": str(error)})
            return json({"error": "not readable just now; try again", "reason": "store"}, 503)

    return answer


def json(value: object, status: int = 200) -> Response:
    """`value` as msgspec writes it."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def tenant(request: Request) -> str:
    """Whose data the credential is for."""
    return principal_of(request.scope).tenant


def limit(request: Request, largest: int) -> int:
    """How many are wanted. Raises QueryError."""
    text = request.query_params.get("limit", str(DEFAULT_LIMIT))
    return parameters.number("limit", text, largest)


def since(request: Request, usual: str, now_ns: int) -> int:
    """A span such as "1d" before now, or a time in UTC nanoseconds. Raises QueryError."""
    return parameters.since(request.query_params.get("since", usual), now_ns)
