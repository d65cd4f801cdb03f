"""Routes and inhibition as a configuration of Alertmanager, which its tools read.

Receivers are names only: of how they are reached nothing is told. Routes that are of other tenants
are left out; `tenants` has no like there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from tailrace.alerts.delivery.routing import tree
from tailrace.alerts.delivery.settings import DeliverySettings, RouteSettings, receivers
from tailrace.alerts.rules.durations import write_duration

_TIMES = ("group_wait", "group_interval", "repeat_interval")


def written(settings: DeliverySettings, tenant: str) -> str:
    """YAML, of what is for this tenant."""
    route = {
        "receiver": tree(settings).receiver,
        "group_by": settings.group_by,
        **_times(settings),
        **_within(settings.routes, tenant),
    }
    inhibit = [
        {"source_matchers": one.source, "target_matchers": one.target, "equal": one.equal}
        for one in settings.inhibit
    ]
    names = [{"name": name} for name in receivers(settings)]
    said = {"route": route, "inhibit_rules": inhibit, "receivers": names}
    return str(yaml.safe_dump(said, sort_keys=False, allow_unicode=True))


def _within(routes: Sequence[RouteSettings], tenant: str) -> dict[str, Any]:
    found = [_route(one, tenant) for one in routes if not one.tenants or tenant in one.tenants]
    return {"routes": found} if found else {}


def _route(one: RouteSettings, tenant: str) -> dict[str, Any]:
    named = {"receiver": one.receiver, "matchers": one.matchers, "group_by": one.group_by}
    said = {name: value for name, value in named.items() if value}
    goes_on = {"continue": True} if one.continue_ else {}
    return {**said, **_times(one), **goes_on, **_within(one.routes, tenant)}


def _times(said: DeliverySettings | RouteSettings) -> dict[str, str]:
    times = {name: getattr(said, name) for name in _TIMES}
    return {n: write_duration(int(s * 1000) * 1_000_000) for n, s in times.items() if s is not None}
