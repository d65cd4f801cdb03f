"""How often something in the store has changed, so that whoever keeps a copy knows it is old."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select, update

from tailrace.governance.schema import CHANGES


def read(connection: Connection, subject: str) -> int:
    """0 when it never has."""
    number = select(CHANGES.c.number).where(CHANGES.c.subject == subject)
    return connection.execute(number).scalar_one_or_none() or 0


def add(connection: Connection, subject: str) -> None:
    """One more, in the transaction of the change."""
    row = CHANGES.c.subject == subject
    more = update(CHANGES).where(row).values(number=CHANGES.c.number + 1)
    if not connection.execute(more).rowcount:
        connection.execute(insert(CHANGES).values(subject=subject, number=1))
