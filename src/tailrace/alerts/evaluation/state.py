"""What one evaluation makes of the alerts of a rule. Pure: the same goes in, the same comes out.

As Prometheus does it (https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/):
an alert is pending from the first evaluation that its condition holds at, fires at the first one
that is `for` after that one if it held at every one between, and is resolved at the first one at
which it does not hold; with `keep_firing_for`, at the first one that is so long after the first of
those.

One that is resolved and whose condition holds again knows when it fired and ended until it fires.
If it does not, it is resolved as it was, so that its end is told whenever the process dies.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from tailrace.alerts.rule import Rule
from tailrace.core.alerting import Alert, Labels, Phase

Alerts = Mapping[Labels, Alert]


class Held(NamedTuple):
    """A label set for which the condition holds, as it is to be told: with the rule's labels and
    annotations."""

    labels: Labels
    annotations: Labels
    value: float


class Owner(NamedTuple):
    """Whose alerts they are."""

    tenant: str
    rule_id: str
    rule: Rule


def step(owner: Owner, before: Alerts, slot_ns: int, held: Iterable[Held]) -> dict[Labels, Alert]:
    """The alerts after the evaluation at `slot_ns`. Of one that is resolved nothing changes any
    more until its condition holds again; whoever has told it takes it away."""
    now = {one.labels: one for one in held}
    after: dict[Labels, Alert] = {}
    for labels, one in now.items():
        after[labels] = _holding(owner, before.get(labels), slot_ns, one)
    for labels, alert in before.items():
        if labels not in now and (left := _not_holding(owner.rule, alert, slot_ns)) is not None:
            after[labels] = left
    return after


def _holding(owner: Owner, before: Alert | None, slot_ns: int, held: Held) -> Alert:
    if before is None:
        before = Alert(
            owner.tenant, owner.rule_id, held.labels, held.annotations, Phase.PENDING, held.value,
            active_ns=slot_ns,
        )  # fmt: skip
    elif before.phase is Phase.RESOLVED:
        before = msgspec.structs.replace(before, phase=Phase.PENDING, active_ns=slot_ns)
    alert = msgspec.structs.replace(before, annotations=held.annotations, value=held.value)
    if alert.phase is Phase.FIRING:
        return msgspec.structs.replace(alert, left_ns=0)
    if slot_ns - alert.active_ns < owner.rule.for_ns:
        return alert
    return msgspec.structs.replace(
        alert, phase=Phase.FIRING, fired_ns=slot_ns, left_ns=0, ended_ns=0
    )


def _not_holding(rule: Rule, alert: Alert, slot_ns: int) -> Alert | None:
    if alert.phase is Phase.PENDING:
        return _ended_before(alert)
    if alert.phase is Phase.RESOLVED:
        return alert
    left_ns = alert.left_ns or slot_ns
    if slot_ns - left_ns < rule.keep_firing_ns:
        return msgspec.structs.replace(alert, left_ns=left_ns)
    return msgspec.structs.replace(alert, phase=Phase.RESOLVED, ended_ns=slot_ns, left_ns=left_ns)


def _ended_before(pending: Alert) -> Alert | None:
    """One that was pending again as it was before that; None where it never fired."""
    return msgspec.structs.replace(pending, phase=Phase.RESOLVED) if pending.ended_ns else None


def ended(alert: Alert, at_ns: int) -> Alert | None:
    """It resolved when its rule is no more; None where there is no end that is new."""
    if alert.phase is Phase.PENDING:
        return _ended_before(alert)
    if alert.phase is Phase.RESOLVED:
        return None
    return msgspec.structs.replace(alert, phase=Phase.RESOLVED, ended_ns=at_ns, left_ns=at_ns)


def missed(before: Alerts, after: Alerts, slot_ns: int) -> dict[Labels, Alert]:
    """`after` slots up to the one at `slot_ns`: those of it that fired since `before`, and earlier
    than there, did so while nobody could be told."""
    return {
        labels: msgspec.structs.replace(alert, missed_ns=alert.fired_ns)
        if _fired_ns(before.get(labels)) != alert.fired_ns < slot_ns
        else alert
        for labels, alert in after.items()
    }


def _fired_ns(alert: Alert | None) -> int:
    return alert.fired_ns if alert else 0


def moved(alert: Alert, by_ns: int) -> Alert:
    """The same by a clock that was set by so much: what lasted so long has lasted so long."""
    times = ("active_ns", "fired_ns", "left_ns", "ended_ns", "missed_ns")
    known = {name: getattr(alert, name) for name in times}
    return msgspec.structs.replace(alert, **{k: v + by_ns for k, v in known.items() if v})


def differs(one: Alert | None, other: Alert) -> bool:
    """Whether there is something to keep: more than another value and its words."""
    if one is None:
        return True
    plain = msgspec.structs.replace(one, value=other.value, annotations=other.annotations)
    return plain != other
