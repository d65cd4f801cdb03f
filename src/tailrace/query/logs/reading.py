"""What an evaluation reads from."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from tailrace.query.notes import Notes
from tailrace.query.plan import Statement

Rows: TypeAlias = list[tuple[Any, ...]]
Columns: TypeAlias = Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Reading:
    """Rows of one tenant. `keys`: its raw resource attribute keys; `table`: SQL to read from, which
    `tables` gives for a part of the time.

    `rows` and `blocks` raise what the engine raises.
    """

    tenant: str
    rows: Callable[[Statement], Awaitable[Rows]]
    blocks: Callable[[Statement], AsyncGenerator[Columns, None]]
    keys: Sequence[str] = ()
    table: str = "logs"
    notes: Notes = field(default_factory=Notes)
    tables: Callable[[int, int], Awaitable[str]] | None = None

    async def within(self, start_ns: int, end_ns: int) -> Reading:
        """For a part of the time: of the archive only its files are opened."""
        if self.tables is None:
            return self
        return replace(self, table=await self.tables(start_ns, end_ns))
