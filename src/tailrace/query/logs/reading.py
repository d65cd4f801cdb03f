"""What an evaluation reads from."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from tailrace.query.notes import Notes
from tailrace.query.plan import Statement

Rows: TypeAlias = list[tuple[Any, ...]]
Columns: TypeAlias = Sequence[Sequence[Any]]
__all__ = ["Columns", "Notes", "Reading", "Rows"]


@dataclass(frozen=True)
class Reading:
    """Rows of one tenant. `keys`: its raw resource attribute keys; `table`: SQL to read from.

    `rows` and `blocks` raise what the engine raises.
    """

    tenant: str
    rows: Callable[[Statement], Awaitable[Rows]]
    blocks: Callable[[Statement], AsyncGenerator[Columns, None]]
    keys: Sequence[str] = ()
    table: str = "logs"
    notes: Notes = field(default_factory=Notes)
