"""The table of what agents lost; see schema.py for its columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    Connection,
    Double,
    and_,
    cast,
    delete,
    func,
    insert,
    select,
    tuple_,
    update,
)

from tailrace.core import limits, log
from tailrace.core.fleet import Loss
from tailrace.governance.schema import LOSSES

_log = log.get("governance")
_c = LOSSES.c
_LISTED = (
    _c.source, _c.epoch, _c.first_seq, _c.last_seq, _c.rows, _c.bytes, _c.reason, _c.at_ns,
    _c.received_ns,
)  # fmt: skip


def keep(connection: Connection, tenant: str, said: Sequence[Loss], now_ns: int) -> Counter[str]:
    """Keep what is new of these; rows by reason that were not known before."""
    lost: Counter[str] = Counter()
    for loss in said:
        this = and_(
            _c.tenant == tenant,
            _c.source == loss.source,
            _c.epoch == loss.epoch,
            _c.first_seq == loss.first_seq,
        )
        known = connection.execute(select(_c.last_seq, _c.rows).where(this)).one_or_none()
        size = {"last_seq": loss.last_seq, "rows": loss.rows, "bytes": loss.bytes}
        if known is None:
            key = {"source": loss.source, "epoch": loss.epoch, "first_seq": loss.first_seq}
            rest = {"reason": loss.reason, "at_ns": loss.at_ns, "received_ns": now_ns}
            connection.execute(insert(LOSSES).values(tenant=tenant, **key, **size, **rest))
        elif known[0] < loss.last_seq:
            connection.execute(update(LOSSES).where(this).values(size))
        else:
            continue
        lost[loss.reason] += max(0, loss.rows - (known[1] if known else 0))
    if lost:
        _bound(connection, tenant)
    return lost


def _bound(connection: Connection, tenant: str) -> None:
    counted = select(func.count()).select_from(LOSSES).where(_c.tenant == tenant)
    over = connection.execute(counted).scalar_one() - limits.LOSSES_PER_TENANT
    if over > 0:
        _log.warning("more losses than are remembered; the oldest go", extra={"count": over})
        key = (_c.tenant, _c.source, _c.epoch, _c.first_seq)
        oldest = select(*key).where(_c.tenant == tenant).order_by(_c.received_ns).limit(over)
        connection.execute(delete(LOSSES).where(tuple_(*key).in_(oldest)))


def since(tenant: str, since_ns: int, limit: int, connection: Connection) -> list[dict[str, Any]]:
    """The losses heard of since then, newest first."""
    order = (_c.received_ns.desc(), _c.source, _c.epoch, _c.first_seq)
    heard = and_(_c.tenant == tenant, _c.received_ns >= since_ns)
    found = connection.execute(select(*_LISTED).where(heard).order_by(*order).limit(limit))
    names = [str(column.name) for column in _LISTED]
    return [dict(zip(names, row, strict=True)) for row in found]


def sums(connection: Connection, tenant: str, since_ns: int) -> dict[str, dict[str, int]]:
    """Rows by source and reason of what was lost since then, by this server's clock."""
    found = (
        select(_c.source, _c.reason, func.sum(_c.rows))
        .where(_c.tenant == tenant, _c.received_ns >= since_ns)
        .group_by(_c.source, _c.reason)
    )
    sums: dict[str, dict[str, int]] = {}
    for source, reason, rows in connection.execute(found):
        sums.setdefault(source, {})[reason] = int(rows)
    return sums


def rows_by_source(connection: Connection, tenant: str) -> dict[str, int]:
    """Lost rows of each agent."""
    # A sum of integers fails beyond 64 bits, which a sender can reach; one of floats does not.
    total = func.sum(cast(_c.rows, Double))
    found = connection.execute(
        select(_c.source, total).where(_c.tenant == tenant).group_by(_c.source)
    )
    return {source: min(int(rows), 2**63 - 1) for source, rows in found}
