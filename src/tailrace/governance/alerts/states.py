"""The tables of alerts and of evaluations; see ../schema.py for their columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    and_,
    bindparam,
    delete,
    func,
    select,
)

from tailrace.core import alertbounds, limits
from tailrace.core.alerting import Alert, Evaluated, Labels, Phase
from tailrace.core.errors import StoreError
from tailrace.governance.alerts.rows import id_of, put
from tailrace.governance.schema import ALERT_EVALUATIONS, ALERTS

_a = ALERTS.c
_e = ALERT_EVALUATIONS.c


def alerts(connection: Connection, tenant: str) -> list[Alert]:
    """Of a tenant, or of all when it is ""."""
    wanted = select(ALERTS).where(_a.tenant == tenant) if tenant else select(ALERTS)
    return [_alert(row) for row in connection.execute(wanted)]


def evaluations(connection: Connection) -> list[Evaluated]:
    """The last of each rule."""
    wanted = select(_e.tenant, _e.rule, _e.slot_ns, _e.took_s, _e.error, _e.missed)
    return [Evaluated(*row) for row in connection.execute(wanted)]


def evaluated(
    connection: Connection,
    last: Sequence[Evaluated],
    changed: Sequence[Alert],
    gone: Sequence[Alert],
) -> None:
    """See core.alerting.AlertStore."""
    put(connection, ALERT_EVALUATIONS, [_evaluation(one) for one in last])
    _delete(connection, gone, _this())
    put(connection, ALERTS, [row(one) for one in changed])
    for tenant in {one.tenant for one in changed}:
        _bound(connection, tenant)


def end(connection: Connection, gone: Sequence[Alert]) -> None:
    """Delete those that are still resolved."""
    _delete(connection, gone, and_(_this(), _a.phase == Phase.RESOLVED))


def forget(connection: Connection, tenant: str, rule: str) -> None:
    """A rule that is no more, and its alerts."""
    connection.execute(delete(ALERTS).where(_a.tenant == tenant, _a.rule == rule))
    this = and_(_e.tenant == tenant, _e.rule == rule)
    connection.execute(delete(ALERT_EVALUATIONS).where(this))


def _bound(connection: Connection, tenant: str) -> None:
    counted = select(func.count()).select_from(ALERTS).where(_a.tenant == tenant)
    if (count := connection.execute(counted).scalar_one()) > limits.ALERTS_PER_TENANT:
        raise StoreError(
            f"a tenant would have {count} alerts, more than {limits.ALERTS_PER_TENANT}: give its "
            "rules a limit, or fewer labels"
        )


def _this() -> ColumnElement[bool]:
    return and_(
        _a.tenant == bindparam("this_tenant"),
        _a.rule == bindparam("this_rule"),
        _a.id == bindparam("this_id"),
    )


def _delete(connection: Connection, gone: Sequence[Alert], which: ColumnElement[bool]) -> None:
    if not gone:
        return
    named = [
        {"this_tenant": one.tenant, "this_rule": one.rule, "this_id": id_of(one.labels)}
        for one in gone
    ]
    connection.execute(delete(ALERTS).where(which), named)


def row(one: Alert) -> dict[str, Any]:
    """Raises StoreError for one that is too large."""
    if reason := alertbounds.alert(one):
        raise StoreError(reason)
    return {
        "tenant": one.tenant,
        "rule": one.rule,
        "id": id_of(one.labels),
        "labels": one.labels,
        "annotations": one.annotations,
        "phase": one.phase,
        "value": repr(one.value),
        "active_ns": one.active_ns,
        "fired_ns": one.fired_ns,
        "left_ns": one.left_ns,
        "ended_ns": one.ended_ns,
        "missed_ns": one.missed_ns,
    }


def _alert(row: Row[*tuple[Any, ...]]) -> Alert:
    tenant, rule, _, labels, annotations, phase, value, *times = row
    texts = (_labels(labels), _labels(annotations))
    return Alert(tenant, rule, *texts, Phase(phase), float(value), *times)


def _labels(found: list[list[str]]) -> Labels:
    return tuple((name, value) for name, value in found)


def _evaluation(one: Evaluated) -> dict[str, Any]:
    return {
        "tenant": one.tenant,
        "rule": one.rule,
        "slot_ns": one.slot_ns,
        "took_s": one.took_s,
        "error": one.error[: limits.ALERT_ERROR_CHARS],
        "missed": one.missed,
    }
