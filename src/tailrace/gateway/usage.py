"""/api/v1/limits: what a tenant may send, what it has sent, and what was refused."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tailrace.core.access import principal_of
from tailrace.gateway.admission.admission import Admission
from tailrace.gateway.answers import json_answer

PATH = "/api/v1/limits"


def routes(admission: Admission) -> list[BaseRoute]:
    """One route; the tenant is the credential's."""

    async def limits(request: Request) -> Response:
        return json_answer(admission.report(principal_of(request.scope).tenant))

    return [Route(PATH, limits)]
