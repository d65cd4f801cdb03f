"""Which process evaluates alerts, of several on one store: the row "alerts" of `leases`."""

from __future__ import annotations

from sqlalchemy import Connection, select

from tailrace.core import limits
from tailrace.core.errors import StoreError
from tailrace.governance.alerts.rows import put
from tailrace.governance.schema import LEASES

_SUBJECT = "alerts"
_LONGEST_NS = int(limits.ALERT_LEASE_S * 1e9)
_c = LEASES.c


def lead(connection: Connection, holder: str, until_ns: int, now_ns: int) -> bool:
    """See core.alerting.AlertStore."""
    latest_ns = now_ns + _LONGEST_NS
    held = select(_c.holder, _c.until_ns).where(_c.subject == _SUBJECT)
    if row := connection.execute(held).one_or_none():
        other, ends_ns = row
        if other != holder and now_ns < ends_ns <= latest_ns:
            return False
    row_now = {"subject": _SUBJECT, "holder": holder, "until_ns": min(until_ns, latest_ns)}
    put(connection, LEASES, [row_now])
    return True


def check(connection: Connection, holder: str) -> None:
    """Raises StoreError when another than `holder` was the last to lead; "" is anybody."""
    held = select(_c.holder).where(_c.subject == _SUBJECT)
    if holder and connection.execute(held).scalar_one_or_none() != holder:
        raise StoreError("another process evaluates alerts by now; wait until it leaves that")
