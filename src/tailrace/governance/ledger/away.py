"""Rows of agents of which the guard let none of their frame pass, by source and minute."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import Connection, and_, delete, func, insert, select, update

from tailrace.core import limits
from tailrace.core.frame import Header
from tailrace.core.ledger import Period, source_of
from tailrace.governance.ledger.tally import MINUTE_NS
from tailrace.governance.schema import LEDGER_AWAY

_c = LEDGER_AWAY.c


def add(connection: Connection, headers: Sequence[Header]) -> None:
    """Frames that are noted for the first time."""
    frames: Counter[tuple[str, str, int]] = Counter()
    rows: Counter[tuple[str, str, int]] = Counter()
    for h in headers:
        key = (h.tenant, source_of(h.source), max(0, h.received_ns) // MINUTE_NS)
        frames[key] += 1
        rows[key] += h.rows
    for (tenant, source, minute), count in frames.items():
        here = and_(_c.tenant == tenant, _c.source == source, _c.minute == minute)
        more = {"frames": _c.frames + count, "rows": _c.rows + rows[tenant, source, minute]}
        if not connection.execute(update(LEDGER_AWAY).where(here).values(more)).rowcount:
            first = {"frames": count, "rows": rows[tenant, source, minute]}
            whose = {"tenant": tenant, "source": source, "minute": minute}
            connection.execute(insert(LEDGER_AWAY).values(whose | first))


def sums(
    connection: Connection, tenant: str, period: Period, source: str = ""
) -> dict[tuple[str, int], int]:
    """Rows by source and the first minute of each step, 0 without steps."""
    minute = _c.minute - _c.minute % period.step if period.step else _c.minute * 0
    mine = [_c.source == source] if source else []
    found = connection.execute(
        select(_c.source, minute.label("step"), func.sum(_c.rows))
        .where(_c.tenant == tenant, _c.minute >= period.first, _c.minute < period.end, *mine)
        .group_by(_c.source, "step")
    )
    return {(source, int(minute)): int(rows) for source, minute, rows in found}


def sweep(connection: Connection, now_ns: int) -> None:
    """Forget minutes as old as those of the ledger."""
    before = now_ns // MINUTE_NS - limits.LEDGER_DAYS * 1440
    connection.execute(delete(LEDGER_AWAY).where(_c.minute < before))
