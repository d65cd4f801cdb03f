"""Keys of pseudonyms are made and wrapped: the first of a tenant, and those that follow.

All of it is done on the connection of a transaction in which nobody else writes, so two processes
that make a tenant's first keys at once end with the ones of whoever came first.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from sqlalchemy import Connection

from tailrace.core.errors import StoreError
from tailrace.core.keys import SECRET_BYTES
from tailrace.governance import keytable, wrapping
from tailrace.governance.keytable import Key
from tailrace.governance.masterkey import MasterKey

Wrapped = tuple[Key, bytes]


def complete(
    connection: Connection, master: MasterKey, tenant: str, kinds: Sequence[str], now_ns: int
) -> tuple[list[Wrapped], list[Key]]:
    """The keys in use of a tenant, one for each kind at least, and those among them that were made
    for it now. Raises StoreError."""
    known = {key.kind for key, _ in keytable.wrapped_in_use(connection, tenant)}
    last = {kind: keytable.last_epoch(connection, tenant, kind) for kind in kinds}
    missing = [
        Key(tenant, kind, last[kind] + 1, master.id, now_ns) for kind in kinds if kind not in known
    ]
    _make(connection, master, missing)
    return keytable.wrapped_in_use(connection, tenant), missing


def rotate(
    connection: Connection, master: MasterKey, keys: Sequence[Key], now_ns: int
) -> list[Key]:
    """Retire `keys`, which are in use: the ones that follow. Raises StoreError."""
    following = [Key(key.tenant, key.kind, key.epoch + 1, master.id, now_ns) for key in keys]
    _make(connection, master, following)
    keytable.retire(connection, keys, now_ns)
    return following


def _make(connection: Connection, master: MasterKey, keys: Sequence[Key]) -> None:
    """With secrets that nobody has seen. Under one master key with those that there are, for else
    some could never be opened beside the others."""
    check_master(master, keytable.master(connection))
    for key in keys:
        secret = secrets.token_bytes(SECRET_BYTES)
        wrapped = wrapping.wrap(master, key.tenant, key.kind, key.epoch, secret)
        keytable.add(connection, key, wrapped)


def rewrap(connection: Connection, old: MasterKey, new: MasterKey) -> int:
    """Wrap with `new` what `old` has wrapped; how many keys that were. Raises StoreError."""
    rows = []
    for key, wrapped in keytable.wrapped(connection):
        if key.master != new.id:
            check_master(old, key.master)
            place = (key.tenant, key.kind, key.epoch)
            secret = wrapping.unwrap(old, *place, wrapped)
            rows.append((key, wrapping.wrap(new, *place, secret)))
    keytable.rewrap(connection, new.id, rows)
    return len(rows)


def check_master(master: MasterKey, wanted: str) -> None:
    """Raises StoreError unless `wanted` is the id of this one, or ""."""
    if wanted not in ("", master.id):
        raise StoreError(
            f"{master.setting}: holds the master key {master.id}, and the keys in the control "
            f"store are wrapped by {wanted}: give that one back, or see `tailrace keys rewrap`"
        )
