"""The table of the keys of pseudonyms; see schema.py for its columns.

Who holds keys in memory is told by `changes` of those that are retired or wrapped anew. A first one
is no news to anybody, for nobody keeps a note of what is not there.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Literal

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    case,
    func,
    insert,
    select,
    update,
)

from tailrace.governance import changecount
from tailrace.governance.schema import KEYS

_c = KEYS.c
_SUBJECT = "keys"
_SHOWN = (
    _c.tenant, _c.kind, _c.epoch, _c.master, _c.created_ns, _c.retired_ns, _c.destroyed_ns
)  # fmt: skip
_IN_USE = and_(_c.retired_ns == 0, _c.destroyed_ns == 0)
_KEPT = _c.destroyed_ns == 0
State = Literal["in use", "retired", "destroyed"]


class Key(msgspec.Struct, frozen=True):
    """All but the secret. Times are UTC nanoseconds, 0 for never; `master` is MasterKey.id."""

    tenant: str
    kind: str
    epoch: int
    master: str
    created_ns: int
    retired_ns: int = 0
    destroyed_ns: int = 0

    @property
    def state(self) -> State:
        """Only the one in use makes pseudonyms; a retired one finds those that it has made."""
        if self.destroyed_ns:
            return "destroyed"
        return "retired" if self.retired_ns else "in use"


def listed(connection: Connection, tenant: str = "") -> list[Key]:
    """All that there are and were, of one tenant if it is named; by tenant, kind and epoch."""
    wanted = select(*_SHOWN).order_by(_c.tenant, _c.kind, _c.epoch)
    if tenant:
        wanted = wanted.where(_c.tenant == tenant)
    return [Key(*row) for row in connection.execute(wanted)]


def in_use(connection: Connection, tenants: Collection[str] = ()) -> list[Key]:
    """Those that make pseudonyms, of some tenants or of all."""
    wanted = select(*_SHOWN).where(_IN_USE).order_by(_c.tenant, _c.kind, _c.epoch)
    if tenants:
        wanted = wanted.where(_c.tenant.in_(tenants))
    return [Key(*row) for row in connection.execute(wanted)]


def ended_since(connection: Connection, ended_ns: int) -> list[Key]:
    """Those that were retired or destroyed after that time, in the order of it."""
    last_ns = case((_c.destroyed_ns > 0, _c.destroyed_ns), else_=_c.retired_ns)
    wanted = select(*_SHOWN).where(last_ns > ended_ns).order_by(last_ns, _c.tenant, _c.kind)
    return [Key(*row) for row in connection.execute(wanted)]


def wrapped_in_use(connection: Connection, tenant: str) -> list[tuple[Key, bytes]]:
    """Those of one tenant, each with its wrapped secret."""
    return _wrapped(connection, and_(_c.tenant == tenant, _IN_USE))


def wrapped_history(connection: Connection, tenant: str, kind: str) -> list[tuple[Key, bytes]]:
    """What is left of one kind, the oldest first, each with its wrapped secret."""
    return _wrapped(connection, and_(_c.tenant == tenant, _c.kind == kind, _KEPT))


def wrapped(connection: Connection) -> list[tuple[Key, bytes]]:
    """All that are not destroyed, each with its wrapped secret."""
    return _wrapped(connection, _KEPT)


def master(connection: Connection) -> str:
    """MasterKey.id of all that are not destroyed; "" when there are none."""
    return connection.execute(select(_c.master).where(_KEPT).limit(1)).scalar_one_or_none() or ""


def add(connection: Connection, key: Key, secret: bytes) -> None:
    """A new one with its wrapped `secret`."""
    connection.execute(insert(KEYS).values(**msgspec.structs.asdict(key), wrapped=secret))


def retire(connection: Connection, keys: Sequence[Key], now_ns: int) -> None:
    """They make no more pseudonyms."""
    _change(connection, [_name(key) for key in keys], {"retired_ns": now_ns})


def destroy(connection: Connection, keys: Sequence[Key], now_ns: int) -> None:
    """Their rows stay, without the secrets. Control.scrub then cleans the files."""
    _change(connection, [_name(key) for key in keys], {"wrapped": b"", "destroyed_ns": now_ns})


def rewrap(connection: Connection, master: str, rows: Sequence[tuple[Key, bytes]]) -> None:
    """Each key with the wrapped secret that it has now, under the master key of that id."""
    named = [_name(key) | {"this_wrapped": wrapped} for key, wrapped in rows]
    _change(connection, named, {"wrapped": bindparam("this_wrapped"), "master": master})


def to_retire(connection: Connection, before_ns: int, limit: int) -> list[Key]:
    """Those in use that were made by then, the oldest first."""
    wanted = select(*_SHOWN).where(_IN_USE, _c.created_ns <= before_ns)
    return [Key(*row) for row in connection.execute(wanted.order_by(_c.created_ns).limit(limit))]


def to_destroy(connection: Connection, before_ns: int, limit: int) -> list[Key]:
    """Those that are still there and were retired by then, the oldest first."""
    wanted = select(*_SHOWN).where(_KEPT, _c.retired_ns.between(1, before_ns))
    return [Key(*row) for row in connection.execute(wanted.order_by(_c.retired_ns).limit(limit))]


def last_epoch(connection: Connection, tenant: str, kind: str) -> int:
    """Of all that there are and were; 0 when there are none."""
    wanted = select(func.max(_c.epoch)).where(_c.tenant == tenant, _c.kind == kind)
    return connection.execute(wanted).scalar_one() or 0


def changes(connection: Connection) -> int:
    """How often what others may hold was no longer so."""
    return changecount.read(connection, _SUBJECT)


def _name(key: Key) -> dict[str, Any]:
    return {"this_tenant": key.tenant, "this_kind": key.kind, "this_epoch": key.epoch}


def _change(
    connection: Connection, named: Sequence[dict[str, Any]], values: dict[str, Any]
) -> None:
    """Give each of the keys that are `named` the `values`, and count it."""
    if not named:
        return
    this = and_(
        _c.tenant == bindparam("this_tenant"),
        _c.kind == bindparam("this_kind"),
        _c.epoch == bindparam("this_epoch"),
    )
    connection.execute(update(KEYS).where(this).values(values), named)
    changecount.add(connection, _SUBJECT)


def _wrapped(connection: Connection, which: ColumnElement[bool]) -> list[tuple[Key, bytes]]:
    wanted = select(*_SHOWN, _c.wrapped).where(which).order_by(_c.tenant, _c.kind, _c.epoch)
    return [(Key(*row[:-1]), bytes(row[-1])) for row in connection.execute(wanted)]
