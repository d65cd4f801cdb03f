"""When keys of pseudonyms end: what the schedule says, in steps that hold up nobody for long.

A key makes pseudonyms for `rotation_s`; then another follows, and it is kept for `retention_s` to
find what it has made. When that data is gone, so is the key: its row stays as a record, without it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection

from tailrace.governance import keymaking, keytable
from tailrace.governance.keytable import Key
from tailrace.governance.masterkey import MasterKey

# Keys that one transaction changes: a tenth of a second or two.
STEP = 500


class Schedule(msgspec.Struct, frozen=True):
    """Both in seconds."""

    rotation_s: float
    retention_s: float

    def retires_before_ns(self, now_ns: int) -> int:
        """A key in use that was made by then is rotated now."""
        return now_ns - int(self.rotation_s * 1e9)

    def destroys_before_ns(self, now_ns: int) -> int:
        """A key that was retired by then is destroyed now."""
        return now_ns - int(self.retention_s * 1e9)

    def end_ns(self, key: Key) -> int:
        """When `key` is destroyed, or was."""
        if key.destroyed_ns:
            return key.destroyed_ns
        retired_ns = key.retired_ns or key.created_ns + int(self.rotation_s * 1e9)
        return retired_ns + int(self.retention_s * 1e9)


def rotate(
    connection: Connection, master: MasterKey, keys: Sequence[Key], now_ns: int
) -> list[Key]:
    """Those of `keys` that are in use still: the keys that follow. Raises StoreError."""
    in_use = set(keytable.in_use(connection, {key.tenant for key in keys}))
    return keymaking.rotate(connection, master, [key for key in keys if key in in_use], now_ns)


def rotate_due(
    connection: Connection, master: MasterKey, schedule: Schedule, now_ns: int
) -> list[Key]:
    """Of those that are due, the first STEP: the keys that follow. Raises StoreError."""
    due = keytable.to_retire(connection, schedule.retires_before_ns(now_ns), STEP)
    return keymaking.rotate(connection, master, due, now_ns)


def destroy_due(connection: Connection, schedule: Schedule, now_ns: int) -> list[Key]:
    """Of those that are due, the first STEP: destroyed now."""
    due = keytable.to_destroy(connection, schedule.destroys_before_ns(now_ns), STEP)
    keytable.destroy(connection, due, now_ns)
    return due
