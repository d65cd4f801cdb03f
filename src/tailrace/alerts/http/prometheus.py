"""Prometheus' endpoints of rules and alerts, as Grafana and promtool ask them.

Source: https://prometheus.io/docs/prometheus/latest/querying/api/#rules. Paging by
`group_limit` and `group_next_token` is as there, the token being of our own making.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.routing import BaseRoute

from tailrace.alerts.evaluation.evaluator import Stands
from tailrace.alerts.evaluation.state import Owner
from tailrace.alerts.evaluation.turn import Standing
from tailrace.alerts.late.again import Report
from tailrace.alerts.rule import Group
from tailrace.core.alerting import Alert, Evaluated, Phase, fingerprint
from tailrace.core.errors import QueryError
from tailrace.query.asked import Asked, Identify, credential_tenant, whole
from tailrace.query.endpoint import routes_of
from tailrace.query.prometheus.http import refusal
from tailrace.query.service import QueryService
from tailrace.query.times import rfc3339

_TYPES = {"": ("alerting", "recording"), "alert": ("alerting",), "record": ("recording",)}
# Series of alerts that late rows would have made fire.
_SHOWN = 100
# The last report of a rule, by tenant and id.
Late = Callable[[str, str], Report | None]
_NEVER = "0001-01-01T00:00:00Z"


@dataclass(frozen=True)
class _Wanted:
    """Which groups and rules are asked for; empty sets are all."""

    types: Sequence[str]
    files: frozenset[str]
    groups: frozenset[str]
    names: frozenset[str]
    alerts: bool

    @classmethod
    def of(cls, asked: Asked) -> _Wanted:
        """Raises QueryError."""
        kind = asked.get("type")
        if kind not in _TYPES:
            raise QueryError(f"type={kind[:32]!r} is neither alert nor record")
        files, groups, names = (
            frozenset(asked.all(name)) for name in ("file[]", "rule_group[]", "rule_name[]")
        )
        return cls(_TYPES[kind], files, groups, names, not asked.flag("exclude_alerts"))


# Of Prometheus itself, and of it as Loki's ruler has it.
PREFIXES = ("/api/v1", "/prometheus/api/v1")


def routes(
    service: QueryService,
    stands: Callable[[], Iterable[Stands]],
    late: Late = lambda tenant, rule: None,
    identify: Identify = credential_tenant,
) -> list[BaseRoute]:
    """`stands` says how all rules stand, `late` what late rows changed of one."""

    async def listed(asked: Asked) -> object:
        return rules(asked, stands(), late)

    async def active(asked: Asked) -> object:
        return alerts(asked.tenant, stands())

    answers = {"rules": listed, "alerts": active}
    return [
        route
        for prefix in PREFIXES
        for route in routes_of(prefix, answers, service, identify, refusal)
    ]


def rules(
    asked: Asked, found: Iterable[Stands], late: Late = lambda tenant, rule: None
) -> dict[str, Any]:
    """The groups of a tenant and how they stand. Raises QueryError."""
    wanted = _Wanted.of(asked)
    listed = sorted(
        (one for one in found if _asked_for(wanted, asked.tenant, one.group)),
        key=lambda one: one.group.key,
    )
    groups = [group for one in listed if (group := _group(wanted, one, late))["rules"]]
    return _page(asked, groups)


def _asked_for(wanted: _Wanted, tenant: str, group: Group) -> bool:
    return (
        group.tenant == tenant
        and (not wanted.files or group.folder in wanted.files)
        and (not wanted.groups or group.name in wanted.groups)
    )


def _page(asked: Asked, groups: list[dict[str, Any]]) -> dict[str, Any]:
    most, token = asked.get("group_limit"), asked.get("group_next_token")
    tokens = [fingerprint(((group["file"], group["name"]),)) for group in groups]
    first = 0
    if token:
        if token not in tokens:
            raise QueryError("group_next_token is not one of this list any more; begin again")
        first = tokens.index(token)
    if not most:
        return {"groups": groups[first:]}
    stop = first + whole(most, "group_limit", 1)
    after = {"groupNextToken": tokens[stop]} if stop < len(groups) else {}
    return {"groups": groups[first:stop], **after}


def _group(wanted: _Wanted, one: Stands, late: Late) -> dict[str, Any]:
    group = one.group
    rows = zip(one.owners, one.standing, one.last, strict=True)
    return {
        "name": group.name,
        "file": group.folder,
        "interval": group.interval_ns / 1e9,
        "limit": group.limit,
        "evaluationTime": sum(said.took_s for said in one.last),
        "lastEvaluation": _time(max((said.slot_ns for said in one.last), default=0)),
        "rules": [
            {**_rule(wanted, owner, standing, said), **_late(late(owner.tenant, owner.rule_id))}
            for owner, standing, said in rows
            if (not wanted.names or owner.rule.name in wanted.names)
            and ("alerting" if owner.rule.alert else "recording") in wanted.types
        ],
    }


def _rule(wanted: _Wanted, owner: Owner, standing: Standing, said: Evaluated) -> dict[str, Any]:
    rule = owner.rule
    health = "err" if said.error else "ok" if said.slot_ns else "unknown"
    shared = {
        "name": rule.name,
        "query": rule.expr,
        "labels": dict(rule.labels),
        "health": health,
        "evaluationTime": said.took_s,
        "lastEvaluation": _time(said.slot_ns),
        **({"lastError": said.error} if said.error else {}),
        "missedEvaluations": said.missed,
    }
    if rule.record:
        return {**shared, "type": "recording"}
    active = [one for one in standing.alerts.values() if one.phase is not Phase.RESOLVED]
    return {
        "state": _state(active),
        "duration": rule.for_ns / 1e9,
        "keepFiringFor": rule.keep_firing_ns / 1e9,
        "annotations": dict(rule.annotations),
        **({"alerts": [alert(one) for one in active]} if wanted.alerts else {}),
        **shared,
        "type": "alerting",
    }


def _late(report: Report | None) -> dict[str, Any]:
    """What late rows changed of a rule, where it was evaluated again."""
    if report is None:
        return {}
    found = report.difference
    told: dict[str, Any] = {
        "evaluatedAt": _time(report.at_ns),
        "from": _time(report.first_ns),
        "to": _time(report.last_ns),
        "slots": found.slots,
        "held": found.held,
        "left": found.left,
        "missed": [dict(labels) for labels in found.missed[:_SHOWN]],
        "missedCount": len(found.missed),
        "unfoundedCount": found.unfounded,
        **({"lastError": report.error} if report.error else {}),
    }
    return {"lateRows": told}


def _state(active: Sequence[Alert]) -> str:
    phases = {one.phase for one in active}
    found = (one.value for one in (Phase.FIRING, Phase.PENDING) if one in phases)
    return next(found, "inactive")


def alerts(tenant: str, found: Iterable[Stands]) -> dict[str, Any]:
    """Those of a tenant that are pending or fire."""
    return {
        "alerts": [
            alert(one)
            for stands in found
            if stands.group.tenant == tenant
            for standing in stands.standing
            for one in standing.alerts.values()
            if one.phase is not Phase.RESOLVED
        ]
    }


def alert(one: Alert) -> Mapping[str, Any]:
    """As Prometheus shows it."""
    return {
        "labels": dict(one.labels),
        "annotations": dict(one.annotations),
        "state": one.phase.value,
        "activeAt": _time(one.active_ns),
        **({"keepFiringSince": _time(one.left_ns)} if _is_kept(one) else {}),
        "value": number(one.value),
    }


def _is_kept(one: Alert) -> bool:
    return one.phase is Phase.FIRING and one.left_ns > 0


def number(value: float) -> str:
    """As Go writes a float with an exponent and as few digits as needed: 1e+00."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    return next(text for n in range(18) if float(text := f"{value:.{n}e}") == value)


def _time(nanoseconds: int) -> str:
    return rfc3339(nanoseconds) if nanoseconds else _NEVER
