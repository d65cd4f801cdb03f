"""The record of every deletion; see schema.py for its columns. GET /api/v1/deletions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, insert, or_, select
from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from tailrace.core import limits, log
from tailrace.core.clock import Clock
from tailrace.core.deletion import Deletion, Place, Reason
from tailrace.core.errors import QueryError
from tailrace.core.ledger import Gone
from tailrace.governance.answers import answered, limit, since, tenant
from tailrace.governance.control import Control
from tailrace.governance.schema import DELETIONS

_log = log.get("governance")
_c = DELETIONS.c
_LISTED = [str(column.name) for column in _c if column.name != "tenant"]
# Of one statement: databases bound how many values it may have.
_AT_ONCE = 1_000


class DeletionRecord:
    """Deletions in the control store."""

    def __init__(self, control: Control, clock: Clock) -> None:
        self._control = control
        self._clock = clock

    async def note(self, deletions: Sequence[Deletion]) -> None:
        """See core.deletion.Deletions."""
        if not deletions:
            return
        now_ns = self._clock.wall_ns()
        rows = {one.id: {**msgspec.structs.asdict(one), "at_ns": now_ns} for one in deletions}
        await self._control.run(lambda connection: _note(connection, rows))

    async def listed(
        self, tenant: str, since_ns: int, reasons: Sequence[str], most: int
    ) -> list[dict[str, Any]]:
        """Those of a tenant, and those of nobody knows whom, noted since then: newest first."""
        whose = or_(_c.tenant == tenant, _c.tenant == "")
        wanted = (
            select(*(_c[name] for name in _LISTED))
            .where(whose, _c.at_ns >= since_ns, _c.reason.in_(reasons))
            .order_by(_c.at_ns.desc(), _c.id)
            .limit(most)
        )
        found = await self._control.read(lambda connection: connection.execute(wanted).all())
        return [dict(zip(_LISTED, row, strict=True)) for row in found]


def sums(connection: Connection, tenant: str, since_ns: int) -> dict[str, dict[str, int]]:
    """Rows by place and reason of a tenant's deletions that were noted since then."""
    found = (
        select(_c.place, _c.reason, func.sum(_c.rows))
        .where(_c.tenant == tenant, _c.at_ns >= since_ns)
        .group_by(_c.place, _c.reason)
    )
    sums: dict[str, dict[str, int]] = {}
    for place, reason, rows in connection.execute(found):
        sums.setdefault(place, {})[reason] = int(rows)
    return sums


def hot(connection: Connection, tenant: str, most: int) -> list[Gone]:
    """What of a tenant's hot rows was noted as deleted; of more than so many, that any may be."""
    found = connection.execute(
        select(_c.signal, _c.service, _c.first_ns, _c.last_ns)
        .where(or_(_c.tenant == tenant, _c.tenant == ""), _c.place == Place.HOT)
        .limit(most + 1)
    ).all()
    if len(found) > most:
        return [Gone("", "", 0, 0)]
    return [Gone(signal, service, first, last) for signal, service, first, last in found]


def _note(connection: Connection, rows: dict[str, dict[str, Any]]) -> None:
    known: set[str] = set()
    names = list(rows)
    for start in range(0, len(names), _AT_ONCE):
        ids = names[start : start + _AT_ONCE]
        known.update(connection.execute(select(_c.id).where(_c.id.in_(ids))).scalars())
    fresh = [row for name, row in rows.items() if name not in known]
    if fresh:
        connection.execute(insert(DELETIONS), fresh)
    for whose in {row["tenant"] for row in fresh}:
        _bound(connection, whose)


def _bound(connection: Connection, whose: str) -> None:
    counted = select(func.count()).select_from(DELETIONS).where(_c.tenant == whose)
    over = connection.execute(counted).scalar_one() - limits.DELETIONS_PER_TENANT
    if over > 0:
        _log.warning("more deletions than are recorded; the oldest go", extra={"count": over})
        oldest = select(_c.id).where(_c.tenant == whose).order_by(_c.at_ns, _c.id).limit(over)
        connection.execute(delete(DELETIONS).where(_c.id.in_(oldest)))


def routes(record: DeletionRecord, clock: Clock) -> list[BaseRoute]:
    """What was deleted of the credential's tenant."""

    async def deletions(request: Request) -> object:
        text = request.query_params.get("reason", "")
        reasons = [word for word in text.split(",") if word] or list(Reason)
        if not set(reasons) <= set(Reason):
            raise QueryError(f"reason={text[:64]!r}: name some of {', '.join(Reason)}")
        since_ns = since(request, "30d", clock.wall_ns())
        most = limit(request, limits.DELETIONS_LISTED)
        found = await record.listed(tenant(request), since_ns, reasons, most)
        return {"deletions": found, "truncated": len(found) == most}

    return [Route("/api/v1/deletions", answered(deletions))]
