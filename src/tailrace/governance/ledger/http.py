"""GET /api/v1/ledger, /api/v1/ledger/deep and /api/v1/ledger/gaps."""

from __future__ import annotations

from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from tailrace.core import limits
from tailrace.core.clock import Clock
from tailrace.core.errors import QueryError
from tailrace.core.ledger import Period
from tailrace.governance.answers import answered, limit, since, tenant
from tailrace.governance.ledger.deep import DeepReports
from tailrace.governance.ledger.ledger import Ledger
from tailrace.governance.ledger.report import Reports
from tailrace.governance.ledger.tally import MINUTE_NS

STEPS = {"": 0, "minute": 1, "hour": 60, "day": 1440}
_SOURCE_CHARACTERS = 200


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


def reports(reports: Reports, deep: DeepReports, clock: Clock) -> list[BaseRoute]:
    """What of the credential's tenant came, and what became of it."""

    async def report(request: Request) -> object:
        period = _period(request, clock.wall_ns())
        return await reports.of(tenant(request), period, source_named(request))

    async def deeply(request: Request) -> object:
        since_ns = since(request, "1d", clock.wall_ns())
        return await deep.of(tenant(request), since_ns, source_named(request))

    return [
        Route("/api/v1/ledger", answered(report)),
        Route("/api/v1/ledger/deep", answered(deeply)),
    ]


def source_named(request: Request) -> str:
    """The source that is asked for, "" for all. Raises QueryError."""
    source = request.query_params.get("source", "")
    if len(source) > _SOURCE_CHARACTERS:
        raise QueryError(f"source has more than {_SOURCE_CHARACTERS} characters")
    return source


def _period(request: Request, now_ns: int) -> Period:
    """From `since` on, in steps of `by`, from whole step to whole step. Raises QueryError."""
    by = request.query_params.get("by", "")
    if by not in STEPS:
        raise QueryError(f"by={by[:32]!r}: name minute, hour or day, or leave it out")
    step = STEPS[by] or 1
    first = min(since(request, "1d", now_ns), now_ns) // MINUTE_NS // step * step
    first = max(first, now_ns // MINUTE_NS - limits.LEDGER_DAYS * 1440)
    # The clocks of gateways may be ahead by a little.
    end = (now_ns // MINUTE_NS // step + 1) * step + 60
    return Period(first, end, STEPS[by])
