"""What the query room needs of a store."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Protocol

from tailrace.core.bounds import USUAL, Terms

# ClickHouse's own numbers for what the query room tells apart.
TIMED_OUT = 159
TOO_LARGE = 396  # more rows or bytes in the result
TOO_MANY_ROWS = 158  # to read
TOO_MANY_BYTES = 307  # to read
NO_MEMORY = 241


class Engine(Protocol):
    """Runs read-only statements, one for each call.

    `parameters` are ClickHouse server-side parameters, written `{name:Type}` in `sql`; values
    never become part of the text. When the caller is cancelled the statement is ended. Raises
    StoreError, whose code says which bound of `terms` was passed.
    """

    async def rows(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        terms: Terms = USUAL,
    ) -> list[tuple[Any, ...]]: ...

    def blocks(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        terms: Terms = USUAL,
    ) -> AsyncGenerator[Sequence[Sequence[Any]], None]:
        """The columns of one block of rows after another, so that no result is held whole.

        Closing the iterator early ends the statement: leave a loop over it only inside
        `contextlib.aclosing`.
        """
        ...

    def raw(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        terms: Terms = USUAL,
        *,
        form: str,
    ) -> AsyncGenerator[bytes, None]:
        """Bytes of the result in a format of the engine, as they are made: JSONEachRow, CSV,
        CSVWithNames, TabSeparated, TabSeparatedWithNames, ArrowStream, Parquet, Native, RowBinary.
        JSON is made whole, of at most QUERY_RESULT_BYTES.

        `sql` must have no FORMAT and no SETTINGS: those of a user would win over the bounds.
        """
        ...
