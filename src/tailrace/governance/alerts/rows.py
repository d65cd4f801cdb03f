"""What the tables of alerts have in common: rows that replace others, and short keys."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

_ID_BYTES = 16
# Both have the same ON CONFLICT, and no class in common that knows it.
_INSERTS: dict[str, Callable[[Table], Any]] = {
    "postgresql": postgresql.insert,
    "sqlite": sqlite.insert,
}


def put(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert them all; one whose key is there is replaced. Of two with one key the last stays."""
    if rows:
        connection.execute(_replacing(connection.dialect.name, table), list(rows))


@cache
def _replacing(dialect: str, table: Table) -> Any:
    """Of the few tables there are: a group of rules puts rows at each of its slots."""
    insert = _INSERTS[dialect](table)
    rest = {c.name: insert.excluded[c.name] for c in table.c if not c.primary_key}
    return insert.on_conflict_do_update(index_elements=table.primary_key.columns, set_=rest)


def id_of(value: object) -> str:
    """Of texts and tuples of them: who can choose them cannot make two with the same one, and it
    is the same in every process."""
    return hashlib.sha256(json.dumps(value).encode()).digest()[:_ID_BYTES].hex()
