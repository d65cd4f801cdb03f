"""GET /api/v1/sampling: how far estimates of sampled services are from what the archive counts."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tailrace.query.asked import Identify, credential_tenant
from tailrace.query.sampled.job import Comparing

PATH = "/api/v1/sampling"


def routes(comparing: Comparing, identify: Identify = credential_tenant) -> list[BaseRoute]:
    """Of the credential's tenant. `identify` gives the tenant of a request."""

    async def answer(request: Request) -> Response:
        tenant = identify(request)
        found = {"hours": comparing.hours(tenant), "services": comparing.services(tenant)}
        return Response(msgspec.json.encode(found), media_type="application/json")

    return [Route(PATH, answer)]
