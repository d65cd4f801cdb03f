"""GET /api/v1/agents and /api/v1/losses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import cast

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tailrace.core import limits, log
from tailrace.core.access import principal_of
from tailrace.core.clock import Clock
from tailrace.core.errors import QueryError, StoreError
from tailrace.core.fleet import State
from tailrace.core.units import Seconds
from tailrace.governance.fleet import STATES, Fleet

_log = log.get("governance")
DEFAULT_LIMIT = 1_000
LARGEST_LIMIT = limits.AGENTS_PER_TENANT
_Read = Callable[[Request], Awaitable[object]]


def routes(fleet: Fleet, clock: Clock) -> list[BaseRoute]:
    """What `fleet` knows of the credential's tenant, for people and machines."""

    async def agents(request: Request) -> object:
        text = request.query_params.get("state", "")
        states = tuple(word for word in text.split(",") if word) or STATES
        if not set(states) <= set(STATES):
            raise QueryError(f"state={text[:64]!r}: name some of {', '.join(STATES)}")
        limit = _limit(request)
        return await fleet.agents(_tenant(request), cast(tuple[State, ...], states), limit)

    async def losses(request: Request) -> object:
        since_ns = _since(request.query_params.get("since", "1d"), clock.wall_ns())
        limit = _limit(request)
        found = await fleet.losses(_tenant(request), since_ns, limit)
        return {"losses": found, "truncated": len(found) == limit}

    return [
        Route("/api/v1/agents", _answered(agents)),
        Route("/api/v1/losses", _answered(losses)),
    ]


def _tenant(request: Request) -> str:
    return principal_of(request.scope).tenant


def _answered(read: _Read) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        try:
            return _json(await read(request))
        except QueryError as error:
            return _json({"error": str(error), "reason": "parameter"}, 400)
        except StoreError as error:
            _log.error("the control store cannot be read", extra={"why": str(error)})
            return _json({"error": "not readable just now; try again", "reason": "store"}, 503)

    return answer


def _json(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", str(DEFAULT_LIMIT))
    if not (text.isascii() and text.isdigit() and len(text) < 9 and 0 < int(text) <= LARGEST_LIMIT):
        raise QueryError(f"limit={text[:32]!r} is no number from 1 to {LARGEST_LIMIT}")
    return int(text)


def _since(text: str, now_ns: int) -> int:
    """`text` is a span such as "1d", or a time in UTC nanoseconds."""
    if text.isascii() and text.isdigit() and len(text) < 20:
        return min(int(text), 2**63 - 1)
    try:
        return max(0, now_ns - int(Seconds(text[:32]) * 1e9))
    except (ValueError, OverflowError):
        raise QueryError(
            f"since={text[:32]!r}: give a span such as 1d, or a time in nanoseconds"
        ) from None
