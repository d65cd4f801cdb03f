"""What the HTTP routes of this room have in common: parameters, errors, JSON."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tailrace.core import log
from tailrace.core.access import principal_of
from tailrace.core.errors import QueryError, StoreError
from tailrace.core.units import Seconds

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
    if not (text.isascii() and text.isdigit() and len(text) < 9 and 0 < int(text) <= largest):
        raise QueryError(f"limit={text[:32]!r} is no number from 1 to {largest}")
    return int(text)


def since(request: Request, usual: str, now_ns: int) -> int:
    """A span such as "1d" before now, or a time in UTC nanoseconds. Raises QueryError."""
    text = request.query_params.get("since", usual)
    if text.isascii() and text.isdigit() and len(text) < 20:
        return min(int(text), 2**63 - 1)
    try:
        return max(0, now_ns - int(Seconds(text[:32]) * 1e9))
    except (ValueError, OverflowError):
        raise QueryError(
            f"since={text[:32]!r}: give a span such as 1d, or a time in nanoseconds"
        ) from None
