"""Which keys can have made the pseudonyms of rows that came in since a moment."""

from __future__ import annotations

from functools import partial

from sqlalchemy import Connection

from tailrace.core.errors import StoreError
from tailrace.governance import keytable
from tailrace.governance.control import Control

# A key that was rotated is in use for a moment longer, and clocks differ a little.
MARGIN_NS = 300_000_000_000


class KeyEpochs:
    """Reads the control store each time it is asked."""

    def __init__(self, control: Control) -> None:
        self._control = control

    async def since(self, tenant: str, since_ns: int) -> tuple[int, int] | None:
        """Lowest and highest number of the tenant's keys that were in use at any time from
        `since_ns` (UTC) to now, over all kinds; None where there are none, or the control store
        cannot be read."""
        try:
            return await self._control.read(partial(_since, tenant=tenant, since_ns=since_ns))
        except StoreError:
            return None


def _since(connection: Connection, tenant: str, since_ns: int) -> tuple[int, int] | None:
    found = [
        key.epoch
        for key in keytable.listed(connection, tenant)
        if not key.retired_ns or key.retired_ns >= since_ns - MARGIN_NS
    ]
    return (min(found), max(found)) if found else None
