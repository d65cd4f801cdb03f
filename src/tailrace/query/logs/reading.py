"""What an evaluation reads from, and what it has to tell beside its answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from tailrace.query.plan import Statement

Rows: TypeAlias = list[tuple[Any, ...]]
Columns: TypeAlias = Sequence[Sequence[Any]]


class Notes:
    """Remarks on an answer, each once, in the order they were made."""

    def __init__(self) -> None:
        self._found: dict[str, None] = {}

    def add(self, text: str) -> None:
        self._found.setdefault(text)

    @property
    def texts(self) -> list[str]:
        return list(self._found)


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
