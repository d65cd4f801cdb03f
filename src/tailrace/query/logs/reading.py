"""What an evaluation reads from."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from tailrace.query.plan import Statement
from tailrace.query.sources import Source

Rows: TypeAlias = list[tuple[Any, ...]]
Columns: TypeAlias = Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Reading:
    """Rows of one tenant. `source`: where they are; `keys`: its raw resource attribute keys.

    `rows` and `blocks` raise what the engine raises.
    """

    tenant: str
    rows: Callable[[Statement], Awaitable[Rows]]
    blocks: Callable[[Statement], AsyncGenerator[Columns, None]]
    source: Source
    keys: Sequence[str] = ()

    @property
    def table(self) -> str:
        """SQL to read from."""
        return self.source.table

    def within(self, start_ns: int, end_ns: int) -> Reading:
        """For a part of the time: of the archive only its files are opened."""
        return replace(self, source=self.source.within(start_ns, end_ns))
