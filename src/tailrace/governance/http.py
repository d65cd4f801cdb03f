"""GET /api/v1/agents and /api/v1/losses."""

from __future__ import annotations

from typing import cast

from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from tailrace.core import limits
from tailrace.core.clock import Clock
from tailrace.core.errors import QueryError
from tailrace.core.fleet import State
from tailrace.governance.answers import answered, limit, since, tenant
from tailrace.governance.fleet import STATES, Fleet

LARGEST_LIMIT = limits.AGENTS_PER_TENANT


def routes(fleet: Fleet, clock: Clock) -> list[BaseRoute]:
    """What `fleet` knows of the credential's tenant, for people and machines."""

    async def agents(request: Request) -> object:
        text = request.query_params.get("state", "")
        states = tuple(word for word in text.split(",") if word) or STATES
        if not set(states) <= set(STATES):
            raise QueryError(f"state={text[:64]!r}: name some of {', '.join(STATES)}")
        most = limit(request, LARGEST_LIMIT)
        return await fleet.agents(tenant(request), cast(tuple[State, ...], states), most)

    async def losses(request: Request) -> object:
        since_ns = since(request, "1d", clock.wall_ns())
        most = limit(request, LARGEST_LIMIT)
        found = await fleet.losses(tenant(request), since_ns, most)
        return {"losses": found, "truncated": len(found) == most}

    return [
        Route("/api/v1/agents", answered(agents)),
        Route("/api/v1/losses", answered(losses)),
    ]
