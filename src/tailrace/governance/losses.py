"""The table of what agents lost; see control.py for its columns."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from typing import Any

from tailrace.core import limits, log
from tailrace.core.fleet import Loss

_log = log.get("governance")


def keep(
    connection: sqlite3.Connection, tenant: str, said: Sequence[Loss], now_ns: int
) -> Counter[str]:
    """Keep what is new of these; rows by reason that were not known before."""
    lost: Counter[str] = Counter()
    for loss in said:
        key = (tenant, loss.source, loss.epoch, loss.first_seq)
        known = connection.execute(
            "SELECT last_seq, rows FROM losses"
            " WHERE tenant = ? AND source = ? AND epoch = ? AND first_seq = ?",
            key,
        ).fetchone()
        if known is not None and known[0] >= loss.last_seq:
            continue
        connection.execute(
            "INSERT INTO losses VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
            " last_seq = excluded.last_seq, rows = excluded.rows, bytes = excluded.bytes",
            (*key, loss.last_seq, loss.rows, loss.bytes, loss.reason, loss.at_ns, now_ns),
        )
        lost[loss.reason] += max(0, loss.rows - (known[1] if known else 0))
    if lost:
        _bound(connection, tenant)
    return lost


def _bound(connection: sqlite3.Connection, tenant: str) -> None:
    counted = connection.execute("SELECT count(*) FROM losses WHERE tenant = ?", (tenant,))
    over = counted.fetchone()[0] - limits.LOSSES_PER_TENANT
    if over > 0:
        _log.warning("more losses than are remembered; the oldest go", extra={"count": over})
        connection.execute(
            "DELETE FROM losses WHERE rowid IN (SELECT rowid FROM losses WHERE tenant = ?"
            " ORDER BY received_ns LIMIT ?)",
            (tenant, over),
        )


def since(
    tenant: str, since_ns: int, limit: int, connection: sqlite3.Connection
) -> list[dict[str, Any]]:
    """The losses heard of since then, newest first."""
    rows = connection.execute(
        "SELECT source, epoch, first_seq, last_seq, rows, bytes, reason, at_ns, received_ns"
        " FROM losses WHERE tenant = ? AND received_ns >= ?"
        " ORDER BY received_ns DESC, source, epoch, first_seq LIMIT ?",
        (tenant, since_ns, limit),
    )
    names = [column[0] for column in rows.description]
    return [dict(zip(names, row, strict=True)) for row in rows]


def rows_by_source(connection: sqlite3.Connection, tenant: str) -> dict[str, int]:
    """Lost rows of each agent."""
    # sum() fails beyond 64 bits, which a sender can reach; total() is a float.
    found = connection.execute(
        "SELECT source, total(rows) FROM losses WHERE tenant = ? GROUP BY source", (tenant,)
    )
    return {source: min(int(rows), 2**63 - 1) for source, rows in found}
