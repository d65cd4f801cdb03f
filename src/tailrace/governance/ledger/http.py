"""GET /api/v1/ledger/gaps."""

from __future__ import annotations

from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from tailrace.core import limits
from tailrace.governance.answers import answered, limit, tenant
from tailrace.governance.ledger.ledger import Ledger


def routes(ledger: Ledger) -> list[BaseRoute]:
    """What is missing of the credential's tenant."""

    async def gaps(request: Request) -> object:
        most = limit(request, limits.GAPS_PER_TENANT)
        found = ledger.gaps(tenant(request))
        return {
            "frames": sum(gap.frames for gap in found),
            "gaps": found[:most],
            "truncated": len(found) > most,
        }

    return [Route("/api/v1/ledger/gaps", answered(gaps))]
