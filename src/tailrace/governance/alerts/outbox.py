"""The tables of what groups were told and of what is still to be sent; see ../schema.py.

Each notice of a group says how its alerts are by then, so a newer one takes the place of one that
nobody has tried to send, unless that one says that an alert is resolved. So of a receiver that is
away there wait, for each group, the one that was tried, those that say so, and the newest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    Text,
    and_,
    bindparam,
    case,
    cast,
    delete,
    func,
    insert,
    select,
    tuple_,
    update,
)

from tailrace.core import alertbounds, limits
from tailrace.core.alerting import Notice, Told
from tailrace.core.errors import StoreError
from tailrace.governance.alerts.rows import id_of, put
from tailrace.governance.schema import ALERT_GROUPS, ALERT_NOTICES

_g = ALERT_GROUPS.c
_n = ALERT_NOTICES.c
_NOTICE = (
    _n.id, _n.tenant, _n.receiver, _n.name, _n.body, _n.made_ns, _n.due_ns, _n.attempts, _n.error,
    _n.replaceable,
)  # fmt: skip


def told(connection: Connection) -> list[Told]:
    """Of all groups."""
    wanted = select(_g.tenant, _g.receiver, _g.name, _g.at_ns, _g.firing, _g.resolved)
    return [
        Told(tenant, receiver, group, at_ns, tuple(firing), tuple(resolved))
        for tenant, receiver, group, at_ns, firing, resolved in connection.execute(wanted)
    ]


def tell(connection: Connection, told: Sequence[Told], notices: Sequence[Notice]) -> None:
    """See core.alerting.AlertStore."""
    put(connection, ALERT_GROUPS, [_group(one) for one in told])
    if notices:
        rows = [_row(one) for one in notices]
        _replace(connection, rows)
        connection.execute(insert(ALERT_NOTICES), rows)
    for tenant, receiver in {(one.tenant, one.receiver) for one in notices}:
        _bound(connection, tenant, receiver)


def waiting(
    connection: Connection, most: int, apart_from: Sequence[tuple[str, str]]
) -> list[Notice]:
    """See core.alerting.AlertStore."""
    wanted = select(*_NOTICE).order_by(_n.id).limit(most)
    if apart_from:
        wanted = wanted.where(tuple_(_n.tenant, _n.receiver).not_in(apart_from))
    return [_notice(row) for row in connection.execute(wanted)]


def sent(connection: Connection, notice: Notice) -> None:
    """It leaves the outbox."""
    connection.execute(delete(ALERT_NOTICES).where(_n.id == notice.id))


def failed(connection: Connection, notice: Notice, due_ns: int, error: str) -> None:
    """One more attempt than `notice` had."""
    attempts, words = notice.attempts + 1, error[: limits.ALERT_ERROR_CHARS]
    this = update(ALERT_NOTICES).where(_n.id == notice.id)
    connection.execute(this.values(attempts=attempts, due_ns=due_ns, error=words))


def sweep(connection: Connection, before_ns: int) -> None:
    """Groups without ends to be told that were told something last before then, and of each tenant
    those beyond its bound: first those without such ends, the oldest first."""
    over = cast(_g.firing, Text) == "[]"
    connection.execute(delete(ALERT_GROUPS).where(_g.at_ns < before_ns, over))
    order = (case((over, 1), else_=0), _g.at_ns.desc())
    newer = func.row_number().over(partition_by=_g.tenant, order_by=order)
    key = (_g.tenant, _g.receiver, _g.id)
    ranked = select(*key, newer.label("rank")).subquery()
    beyond = select(*list(ranked.c)[:3]).where(ranked.c.rank > limits.ALERT_GROUPS_PER_TENANT)
    connection.execute(delete(ALERT_GROUPS).where(tuple_(*key).in_(beyond)))


def _replace(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    names = ("tenant", "receiver", "group_id")
    same = and_(*(_n[name] == bindparam(f"this_{name}") for name in names))
    untried = and_(same, _n.replaceable == 1, _n.attempts == 0)
    named = [{f"this_{name}": row[name] for name in names} for row in rows]
    connection.execute(delete(ALERT_NOTICES).where(untried), named)


def _bound(connection: Connection, tenant: str, receiver: str) -> None:
    counts = select(func.count().label("notices"), func.sum(_n.bytes).label("bytes"))
    those = and_(_n.tenant == tenant, _n.receiver == receiver)
    groups = counts.where(those).group_by(_n.group_id).subquery()
    c = groups.c
    whole = select(func.sum(c.notices), func.max(c.notices), func.sum(c.bytes))
    notices, longest, size = connection.execute(whole).one()
    for count, bound, what in (
        (notices, limits.ALERT_NOTICES_PER_RECEIVER, "notices"),
        (longest, limits.ALERT_NOTICES_PER_GROUP, "notices of one group"),
        (size, limits.ALERT_NOTICES_BYTES, "bytes of notices"),
    ):
        if count > bound:
            raise StoreError(f"{count} {what} would wait for {receiver}, more than {bound}")


def _group(one: Told) -> dict[str, Any]:
    return {
        "tenant": one.tenant,
        "receiver": one.receiver,
        "id": id_of(one.group),
        "name": one.group,
        "at_ns": one.at_ns,
        "firing": one.firing,
        "resolved": one.resolved,
    }


def _row(one: Notice) -> dict[str, Any]:
    """Raises StoreError for one that is too large."""
    if reason := alertbounds.notice(one):
        raise StoreError(reason)
    return {
        "tenant": one.tenant,
        "receiver": one.receiver,
        "group_id": id_of(one.group),
        "name": one.group,
        "body": one.body,
        "bytes": len(one.body),
        "made_ns": one.made_ns,
        "due_ns": one.due_ns,
        "attempts": one.attempts,
        "error": one.error[: limits.ALERT_ERROR_CHARS],
        "replaceable": int(one.replaceable),
    }


def _notice(row: Row[*tuple[Any, ...]]) -> Notice:
    number, tenant, receiver, group, body, made_ns, due_ns, attempts, error, replaceable = row
    return Notice(
        number, tenant, receiver, group, bytes(body), made_ns, due_ns, attempts, error,
        bool(replaceable),
    )  # fmt: skip
