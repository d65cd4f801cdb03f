"""What time does to findings: alerts end, and old rows go."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, func, select, tuple_, update

from tailrace.core import limits
from tailrace.governance.findings import known
from tailrace.governance.findings.known import HOUR_NS
from tailrace.governance.findings.table import Threshold, reached
from tailrace.governance.schema import FINDING_HOURS, FINDING_SPANS, FINDING_WRITERS, FINDINGS

_c = FINDINGS.c


def end_alerts(connection: Connection, after: str, now_ns: int, threshold: Threshold) -> str:
    """End alerts that were below their threshold for an hour, of the next findings after the id
    `after`. Gives the last id that was looked at, "" when there are no more."""
    alerting = select(_c.id).where(_c.alerted_ns > 0, _c.id > after).order_by(_c.id)
    some = alerting.limit(limits.FINDING_PLACES_WRITTEN)
    ids: list[str] = list(connection.execute(some).scalars())
    if not ids:
        return ""
    found = known.those(connection, [_c.id.in_(ids)], now_ns)
    over = [one.id for one in found if reached(one, threshold)]
    ended = [one.id for one in found if one.id not in set(over) and now_ns - one.over_ns >= HOUR_NS]
    connection.execute(update(FINDINGS).where(_c.id.in_(over)).values(over_ns=now_ns))
    news = {"alerted_ns": 0, "over_ns": 0}
    connection.execute(update(FINDINGS).where(_c.id.in_(ended)).values(news))
    return ids[-1]


def expire(connection: Connection, now_ns: int) -> bool:
    """Delete what is too old; whether there is more of it."""

    def before(seconds: float) -> int:
        return now_ns - int(seconds * 1e9)

    hours, spans, writers = FINDING_HOURS.c, FINDING_SPANS.c, FINDING_WRITERS.c
    deleted = [
        _delete(connection, FINDING_HOURS, hours.start_ns < before(limits.FINDING_HOURS_S)),
        _delete(connection, FINDING_SPANS, spans.start_ns <= now_ns - HOUR_NS),
        _delete(connection, FINDING_WRITERS, writers.at_ns < before(limits.FINDING_HOURS_S)),
        _delete(connection, FINDINGS, _c.last_ns < before(limits.FINDING_MEMORY_S)),
        # Each release has places of its own: those of old ones must not keep new ones out.
        _delete(connection, FINDINGS, and_(_full(), _c.last_ns < before(limits.FINDING_HOURS_S))),
    ]
    return max(deleted) >= limits.FINDING_ROWS_DELETED


def _full() -> ColumnElement[bool]:
    """Places of tenants that have as many as they may."""
    counted = func.count() >= limits.FINDING_PLACES
    return _c.tenant.in_(select(_c.tenant).group_by(_c.tenant).having(counted))


def _delete(connection: Connection, table: Table, old: ColumnElement[bool]) -> int:
    key = tuple_(*table.primary_key.columns)
    some = select(*table.primary_key.columns).where(old).limit(limits.FINDING_ROWS_DELETED)
    return connection.execute(delete(table).where(key.in_(some))).rowcount
