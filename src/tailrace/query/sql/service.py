"""From the text of a query to the bytes of its answer, for one tenant and one range of time."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from tailrace.core import limits
from tailrace.core.bounds import Bounds
from tailrace.core.errors import Busy, QueryError, StoreError
from tailrace.query.engine import TOO_LARGE
from tailrace.query.plan import Statement
from tailrace.query.service import QueryService
from tailrace.query.sources import Source
from tailrace.query.sql import second
from tailrace.query.sql.formats import Field, Format
from tailrace.query.sql.views import ARCHIVED, Extent
from tailrace.query.times import SECOND_NS
from tailrace.store.schema import HOT_TABLES

_HARD: dict[str, object] = {
    "allow_ddl": 0,
    "allow_introspection_functions": 0,
    # The rewriting counts on how it resolves names.
    "enable_analyzer": 1,
    "use_query_cache": 0,
    # What is too large fails, instead of filling the disk of the store.
    "max_bytes_before_external_sort": 0,
    "max_bytes_ratio_before_external_sort": 0,
    "max_bytes_before_external_group_by": 0,
    "max_bytes_ratio_before_external_group_by": 0,
}
_OWN = Bounds(
    read_rows=limits.SQL_READ_ROWS,
    read_bytes=limits.SQL_READ_BYTES,
    result_rows=limits.SQL_RESULT_ROWS,
    result_bytes=limits.SQL_RESULT_BYTES,
    memory_bytes=limits.SQL_MEMORY_BYTES,
)
_FORM: dict[str, object] = {
    "date_time_output_format": "iso",
    "output_format_json_validate_utf8": 1,
    "output_format_json_quote_denormals": 0,
}
_THROW: dict[str, object] = {"read_overflow_mode": "throw", "result_overflow_mode": "throw"}
SETTINGS = _HARD | _THROW | _FORM
_MEMORY = (173, 241)
_TOO_MUCH = (158, 161, 191, 307, TOO_LARGE)
# The disk, files and the like: not what a text can cause.
_OURS = frozenset({0, 74, 75, 76, 77, 78, 79, 210, 243, 271})
_TAIL = re.compile(
    r"[.:]? (?:In scope|In query|[Ww]hile |Maybe you meant|Note: there are|Stack trace)"
    r"|\. \([A-Z_]+\)"
)
_SYNTAX = re.compile(r"Syntax error[^:]*: failed at position \d+ \(([^)]{1,40})\)")
_INNER = re.compile(r"__table\d+\.|DB::Exception: |^.*?Code: \d+\. ")


@dataclass(frozen=True)
class Prepared:
    """A statement that may run, and the columns of its result."""

    statement: Statement
    fields: tuple[Field, ...]


class Sql:
    """`prepare`, then `run`, within `room`. Both raise QueryError, StoreError, or TimeoutError."""

    def __init__(self, service: QueryService) -> None:
        self._service = service
        self._rooms = asyncio.Semaphore(limits.SQL_ANSWERS)

    @asynccontextmanager
    async def room(self) -> AsyncIterator[None]:
        """Room for one answer. Raises Busy when there is none for a while."""
        try:
            await asyncio.wait_for(self._rooms.acquire(), limits.QUERY_WAIT_S)
        except TimeoutError:
            message = f"more than {limits.SQL_ANSWERS} answers of SQL are being read; try again"
            raise Busy(message, retry_after_s=2, overload=False) from None
        try:
            yield
        finally:
            self._rooms.release()

    async def prepare(self, text: str, extent: Extent, known: Sequence[Field] = ()) -> Prepared:
        """Check `text` twice and ask the engine for its columns; nothing runs yet.

        `known` are the columns that it has for this tenant at other times: then the engine has
        looked at it, and is not asked again.
        """
        if extent.end_ns - extent.start_ns > limits.SQL_RANGE_S * SECOND_NS:
            days = limits.SQL_RANGE_S // 86_400
            raise QueryError(f"start is more than {days} days before end (SQL_RANGE_S)")
        # Tens of milliseconds for a long text.
        made, views = await asyncio.to_thread(_made, text, extent)
        fields = tuple(known) or await self._examined(made)
        sources = await self._sources(views, extent)
        if sources:
            # The same text again; where it was looked at, it read the hot tables alone.
            made, _ = await asyncio.to_thread(_made, text, replace(extent, sources=sources))
        return Prepared(made, fields)

    async def _examined(self, made: Statement) -> tuple[Field, ...]:
        """The columns of a statement, once the engine reads it as it was meant."""
        try:
            # Without settings of ours: there must be none.
            ast = Statement(f"EXPLAIN AST SELECT * FROM ({made.sql})", made.parameters)
            tree = await self._service.run(ast)
            second.examine(str(row[0]) for row in tree)
            resolved = await self._rows("EXPLAIN QUERY TREE SELECT * FROM (", made, ")")
            second.examine_resolved(str(row[0]) for row in resolved)
            columns = await self._rows("DESCRIBE TABLE (", made, ")")
        except StoreError as error:
            raise explained(error) from None
        return tuple(Field(str(row[0]), str(row[1])) for row in columns)

    async def _sources(self, views: Iterable[str], extent: Extent) -> dict[str, Source]:
        """Of the tables behind these views, those that are not read from the hot store alone."""
        found = {}
        for signal in (ARCHIVED[view] for view in views if view in ARCHIVED):
            span_ns = (extent.start_ns, max(extent.end_ns - 1, extent.start_ns))
            source = await self._service.source(signal, extent.tenant, *span_ns)
            if not source.hot_only:
                found[HOT_TABLES[signal]] = source
        return found

    async def _rows(self, how: str, made: Statement, end: str = "") -> list[tuple[object, ...]]:
        """What the engine says of a statement, within the same bounds: constants and scalar
        subqueries are computed to tell it."""
        text = how + made.sql + end
        return await self._service.run(Statement(text, made.parameters, SETTINGS, _OWN))

    async def rows(self, prepared: Prepared, bounds: Bounds, beyond: str) -> list[tuple[Any, ...]]:
        """All rows at once. An answer beyond those of `bounds` is a QueryError with the words
        `beyond`."""
        made = prepared.statement
        # Otherwise a constant counts as one value, and what reads no table is not bounded at all.
        sql = f"SELECT * APPLY(materialize) FROM ({made.sql})"
        whole = Statement(sql, made.parameters, SETTINGS, _OWN.within(bounds))
        try:
            return await self._service.run(whole)
        except StoreError as error:
            raise (QueryError(beyond) if error.code == TOO_LARGE else explained(error)) from None

    async def run(self, prepared: Prepared, form: Format) -> AsyncGenerator[bytes, None]:
        """Pieces of the answer. The first one comes when the engine has the first rows."""
        made = prepared.statement
        raw = self._service.raw(Statement(made.sql, made.parameters, SETTINGS, _OWN), form.form)
        size = 0
        try:
            first = await anext(raw, b"")
            async for piece in form.encode(prepared.fields, _from(first, raw)):
                size += len(piece)
                if size > limits.SQL_RESULT_BYTES:
                    most = f"{limits.SQL_RESULT_BYTES} bytes (SQL_RESULT_BYTES)"
                    raise QueryError(f"the answer is larger than {most}")
                yield piece
        except StoreError as error:
            raise explained(error) from None
        finally:
            await raw.aclose()


async def _from(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if first:
        yield first
    async for piece in rest:
        yield piece


def _made(text: str, extent: Extent) -> tuple[Statement, frozenset[str]]:
    from tailrace.query.sql.making import made

    return made(text, extent)


def explained(error: StoreError) -> Exception:
    """The engine's error as one of the query, but what no text can cause. What passed a bound of
    the tenant's is explained already."""
    if error.code in _OURS:
        return error
    if error.code in _MEMORY:
        most = f"{limits.SQL_MEMORY_BYTES} bytes of memory (SQL_MEMORY_BYTES)"
        return QueryError(f"the query needs more than {most}; narrow the time range or group less")
    if error.code in _TOO_MUCH:
        return QueryError(
            "the query reads or gives more than SQL_READ_ROWS, SQL_READ_BYTES, SQL_RESULT_ROWS "
            "or SQL_RESULT_BYTES allow; narrow the time range or add LIMIT"
        )
    if (unread := _SYNTAX.search(str(error))) is not None:
        # The place is one of the statement that was made of the query.
        shown = unread[1].strip('"')
        near = "" if shown.startswith(("__", "{")) else f" near {shown!r}"
        return QueryError(f"the engine cannot read the query{near}")
    said = _TAIL.split(_INNER.sub("", str(error)), maxsplit=1)[0].strip()
    return QueryError(said or f"the engine refused the query ({error.code})")
