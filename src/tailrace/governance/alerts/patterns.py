"""The table of what services have logged before; see ../schema.py and core/errorpatterns.py."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from msgspec.structs import asdict
from sqlalchemy import Connection, case, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from tailrace.core import limits
from tailrace.core.errorpatterns import Remembered
from tailrace.governance.schema import ERROR_PATTERNS

_c = ERROR_PATTERNS.c
# Of one statement: databases bound its parameters.
_AT_ONCE = 500
_INSERTS: dict[str, Any] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}


def remembered(connection: Connection, tenant: str, ids: Collection[str]) -> dict[str, Remembered]:
    """Those of `ids` that are known, by id."""
    found: dict[str, Remembered] = {}
    for some in _parts(sorted(ids)):
        wanted = select(ERROR_PATTERNS).where(_c.tenant == tenant, _c.id.in_(some))
        found |= {row.id: Remembered(*row) for row in connection.execute(wanted)}
    return found


def see(connection: Connection, seen: Sequence[Remembered]) -> None:
    """Remember these; see core.errorpatterns.ErrorPatterns."""
    if not seen:
        return
    insert = _INSERTS[connection.dialect.name](ERROR_PATTERNS)
    new = insert.excluded
    joined = {
        "first_ns": case((_c.first_ns > new.first_ns, new.first_ns), else_=_c.first_ns),
        "last_ns": case((_c.last_ns < new.last_ns, new.last_ns), else_=_c.last_ns),
    }
    key = ERROR_PATTERNS.primary_key.columns
    put = insert.on_conflict_do_update(index_elements=key, set_=joined)
    connection.execute(put, [asdict(one) for one in seen])
    for tenant in {one.tenant for one in seen}:
        _bound(connection, tenant)


def _bound(connection: Connection, tenant: str) -> None:
    """Delete what is beyond limits.ERROR_PATTERNS, seen longest ago."""
    of_tenant = _c.tenant == tenant
    counted = select(func.count()).select_from(ERROR_PATTERNS).where(of_tenant)
    beyond = connection.execute(counted).scalar_one() - limits.ERROR_PATTERNS
    if beyond > 0:
        oldest = select(_c.id).where(of_tenant).order_by(_c.last_ns, _c.id).limit(beyond)
        connection.execute(delete(ERROR_PATTERNS).where(of_tenant, _c.id.in_(oldest)))


def _parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), _AT_ONCE):
        yield ids[start : start + _AT_ONCE]
