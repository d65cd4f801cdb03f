"""What the rooms know of the errors that services log: which statements each has logged before.

A statement is a line without what varies (query/patterns/statements.py). Only a hash of it is kept,
so nothing of a row is remembered here, and a statement is told by whoever finds it new.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import msgspec

from tailrace.core.alerting import Alert, Evaluated

_ID_BYTES = 16


class Remembered(msgspec.Struct, frozen=True):
    """A statement of a service, or the service itself, by `id_of`.

    `first_ns` and `last_ns`: when it was taken in first and last, as far as is known, UTC. The
    latter is limits.ERROR_PATTERN_AGAIN_S coarse.
    """

    tenant: str
    id: str
    service: str
    first_ns: int
    last_ns: int


class ErrorPatterns(Protocol):
    """Who remembers them, of a tenant limits.ERROR_PATTERNS. All raise StoreError."""

    async def remembered(self, tenant: str, ids: Collection[str]) -> Mapping[str, Remembered]:
        """Those of `ids` that are known."""
        ...

    async def looked(
        self, last: Evaluated, changed: Sequence[Alert], seen: Sequence[Remembered]
    ) -> None:
        """A look at a tenant: what AlertStore.evaluated keeps, and what was `seen`, in one
        transaction, so that nothing is known that nobody was told of. Durable when it returns,
        where there is any of either.

        Of one that is known the earlier `first_ns` and the later `last_ns` stay. Beyond
        limits.ERROR_PATTERNS those of the tenant that were seen longest ago go.
        """
        ...


def id_of(service: str, statement: str = "") -> str:
    """Of a statement of a service, or of the service: the same in every process, and who chooses
    the texts cannot make two with the same one."""
    parts = msgspec.json.encode((service, statement) if statement else (service,))
    return hashlib.sha256(parts).digest()[:_ID_BYTES].hex()
