"""What the query room needs of a store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
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


class RawEngine(Protocol):
    """An engine that also gives results as the bytes of a format."""

    async def rows(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        *,
        timeout_s: float = 30,
    ) -> list[tuple[Any, ...]]:
        """See Engine."""
        ...

    def raw(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        form: str = "JSONEachRow",
        *,
        timeout_s: float = 30,
        settings: Mapping[str, object] | None = None,
    ) -> AsyncIterator[bytes]:
        """The result of a SELECT in the engine's format `form`, read-only and within `settings`.

        The pieces joined are one document; a row of JSONEachRow or CSV ends with a newline, and
        there is no head. Closing the iterator early stops the statement.
        """
        ...
