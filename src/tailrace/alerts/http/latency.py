"""How late alerts are: of the canary by stage, and of each rule of a tenant.

GET /api/v1/alerts/latency. Times are seconds; quantiles are of the last hour. What the canary says
is the same for all tenants: it is of the server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tailrace.alerts.evaluation.evaluator import Stands
from tailrace.alerts.latency.canary import STAGES, Canary
from tailrace.alerts.latency.delays import RuleDelays
from tailrace.alerts.latency.report import CanaryDelay, Latencies, RuleDelayed, StageDelay
from tailrace.alerts.latency.watch import verdict
from tailrace.query.asked import Identify, credential_tenant


def routes(
    canary: Canary | None,
    delays: RuleDelays,
    stands: Callable[[], Iterable[Stands]],
    identify: Identify = credential_tenant,
) -> list[BaseRoute]:
    """`stands` says how all rules stand."""

    async def answer(request: Request) -> Response:
        found = latencies(identify(request), canary, delays, stands())
        return Response(msgspec.json.encode(found), media_type="application/json")

    return [Route("/api/v1/alerts/latency", answer)]


def latencies(
    tenant: str, canary: Canary | None, delays: RuleDelays, stands: Iterable[Stands]
) -> Latencies:
    """What a tenant is told."""
    rules = [
        _rule(one, place, delays)
        for one in sorted(stands, key=lambda one: one.group.key)
        if one.group.tenant == tenant
        for place in range(len(one.owners))
    ]
    late = verdict(canary.state()).words if canary else ""
    return Latencies(late, _canary(canary) if canary else None, rules, delays.sent_to(tenant))


def _canary(canary: Canary) -> CanaryDelay:
    state, delays = canary.state(), canary.delays()
    stages = [StageDelay(stage, delays[stage]) for stage in STAGES]
    return CanaryDelay(stages, state.p99_s, state.silent_s, state.waiting, state.oldest_s)


def _rule(one: Stands, place: int, delays: RuleDelays) -> RuleDelayed:
    group, owner = one.group, one.owners[place]
    found = delays.of(owner.tenant, owner.rule_id)
    return RuleDelayed(
        group.folder,
        group.name,
        owner.rule.name,
        group.interval_ns / 1e9,
        owner.rule.for_ns / 1e9,
        found.evaluated,
        found.told,
    )
