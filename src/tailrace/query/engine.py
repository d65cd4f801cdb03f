"""What the query room needs of a store."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Any, Protocol

# ClickHouse's own numbers for what the query room tells apart.
BAD_REGEX = 427
TIMED_OUT = 159
TOO_LARGE = 396


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

    def blocks(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        *,
        timeout_s: float = 30,
    ) -> AsyncIterator[Sequence[Sequence[Any]]]:
        """The columns of one block of rows after another, so that no result is held whole.

        Closing the iterator early stops the statement.
        """
        ...

    def raw(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        *,
        form: str,
        timeout_s: float = 30,
    ) -> AsyncGenerator[bytes, None]:
        """The result in the engine's format `form`: JSONEachRow, CSV, ArrowStream or Parquet.

        The pieces joined are one document; a row of JSONEachRow or CSV ends with a newline, and
        there is no head. Closing the iterator early ends the statement: leave a loop over it only
        inside `contextlib.aclosing`.
        """
        ...
