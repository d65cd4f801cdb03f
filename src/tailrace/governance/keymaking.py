"""Keys of pseudonyms are made: the first of a tenant, and those that follow.

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
    missing = [kind for kind in kinds if kind not in known]
    made = [make(connection, master, tenant, kind, now_ns) for kind in missing]
    return keytable.wrapped_in_use(connection, tenant), made


def make(connection: Connection, master: MasterKey, tenant: str, kind: str, now_ns: int) -> Key:
    """The next one, in use from now on. Raises StoreError for another master key than that of the
    keys that there are: some of them could then never be opened together."""
    check_master(master, keytable.master(connection))
    epoch = keytable.last_epoch(connection, tenant, kind) + 1
    key = Key(tenant, kind, epoch, master.id, now_ns)
    secret = secrets.token_bytes(SECRET_BYTES)
    keytable.add(connection, key, wrapping.wrap(master, tenant, kind, epoch, secret))
    return key


def check_master(master: MasterKey, wanted: str) -> None:
    """Raises StoreError unless `wanted` is the id of this one, or ""."""
    if wanted not in ("", master.id):
        raise StoreError(
            f"{master.setting}: holds the master key {master.id}, and the keys in the control "
            f"store are wrapped by {wanted}: give that one back, or see `tailrace keys rewrap`"
        )
