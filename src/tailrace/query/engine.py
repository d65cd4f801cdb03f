"""What the query room needs of a store."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Protocol

from tailrace.core.errors import StoreError

# ClickHouse's own numbers for what the query room tells apart.
BAD_REGEX = 427
TIMED_OUT = 159


def code(error: StoreError) -> int:
    """ClickHouse's error number, 0 when there is none. The first one: later text may be input."""
    found = re.search(r"Code: (\d{1,6})", str(error))
    return int(found[1]) if found else 0


class Engine(Protocol):
    """Runs one read-only statement.

    `parameters` are ClickHouse server-side parameters, written `{name:Type}` in `sql`; values
    never become part of the text. Raises TimeoutError or StoreError.
    """

    async def rows(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        *,
        timeout_s: float = 30,
    ) -> list[tuple[Any, ...]]: ...
