"""GET /api/v1/queries/slow: the last slow queries of the credential's tenant."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tailrace.query.asked import Identify, credential_tenant
from tailrace.query.bounds.slow import SlowQueries


def routes(slow: SlowQueries, identify: Identify = credential_tenant) -> list[BaseRoute]:
    """For those who may administer. `identify` gives the tenant of a request."""

    async def answer(request: Request) -> Response:
        found = slow.of(identify(request))
        return Response(msgspec.json.encode({"queries": found}), media_type="application/json")

    return [Route("/api/v1/queries/slow", answer)]
