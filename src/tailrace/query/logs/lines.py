"""Log queries: lines in order of time, each through the pipeline where there is one.

The engine sorts out what it can; what it lets through may be more than what passes. So rows are
read in pages, in growing pieces of the time range, until there are enough.
"""

from __future__ import annotations

from dataclasses import dataclass

from tailrace.core.limits import QUERY_ROWS
from tailrace.query.binder import Binder
from tailrace.query.logql.ast import LogQuery
from tailrace.query.logs.columns import ROW_COLUMNS, Decoder
from tailrace.query.logs.entries import Entry, passing
from tailrace.query.logs.pushdown import pushed
from tailrace.query.logs.reading import Reading, Rows
from tailrace.query.pipeline.pipeline import Pipeline
from tailrace.query.plan import Statement, within

FIRST_SLICE_NS = 60_000_000_000
SLICE_GROWTH = 8
# Of rows with the same time: those of a frame as they came.
_ORDER = ("Timestamp", "Source", "Epoch", "Seq", "_part_offset")


@dataclass(frozen=True)
class LogRange:
    """`[start_ns, end_ns)`, at most `limit` lines, oldest first when `forward`."""

    start_ns: int
    end_ns: int
    limit: int
    forward: bool = False


async def lines(query: LogQuery, wanted: LogRange, reading: Reading) -> list[Entry]:
    """The lines that pass, in order of time. Raises QueryError, and what the engine raises."""
    pipeline = Pipeline(query.stages)
    decoder = Decoder()
    found: list[Entry] = []
    rest = Slices(wanted, whole=bool(query.stages))
    while (piece := rest.next(len(found))) is not None:
        pages = _Pages(query, piece, wanted, reading.within(*piece))
        while len(found) < wanted.limit and (rows := await pages.next(wanted.limit - len(found))):
            found += passing(rows, pipeline, decoder)
        if len(found) >= wanted.limit:
            break
    return found[: wanted.limit]


class _Pages:
    """The rows of one piece of time that may pass, a page at a time."""

    def __init__(
        self, query: LogQuery, piece: tuple[int, int], wanted: LogRange, reading: Reading
    ) -> None:
        self._query = query
        self._start, self._end = piece
        self._forward = wanted.forward
        self._reading = reading
        # The time of the last row read, and how many of that time were.
        self._last = -1
        self._skip = 0
        self._ended = False
        # Whether what the engine lets through is what passes.
        rows = pushed(query, reading.tenant, reading.keys, Binder())
        self._exact = rows.complete and not rows.unsure

    async def next(self, wanted: int) -> Rows:
        """At least `wanted` rows unless they are the last; none at the end."""
        if self._ended:
            return []
        size = wanted if self._exact else min(max(4 * wanted, 1_000), QUERY_ROWS)
        found = await self._reading.rows(self._statement(size))
        self._ended = len(found) < size
        if found:
            self._move_on(found)
        return found

    def _move_on(self, found: Rows) -> None:
        last = found[-1][0]
        before = self._skip if last == self._last else 0
        self._skip = before + sum(row[0] == last for row in found)
        self._last = last
        if self._forward:
            self._start = last
        else:
            self._end = last + 1

    def _statement(self, size: int) -> Statement:
        rows = pushed(self._query, self._reading.tenant, self._reading.keys, Binder())
        bind = rows.bind
        where = [
            f"Tenant = {bind.text(self._reading.tenant)}",
            *rows.may_pass,
            within(self._start, self._end - 1, bind),
        ]
        way = "ASC" if self._forward else "DESC"
        # The one page of an exact query needs no order among lines of one time and source.
        names = ("Timestamp", "_part_offset") if self._exact else _ORDER
        order = ", ".join(f"{name} {way}" for name in names)
        sql = (
            f"SELECT {', '.join(ROW_COLUMNS)} FROM {self._reading.table} "
            f"WHERE {' AND '.join(where)} ORDER BY {order} "
            f"LIMIT {int(size)} OFFSET {int(self._skip)}"
        )
        return Statement(sql, bind.values)


class Slices:
    """Growing, adjoining pieces of the range, in the order they are read.

    The newest lines of everything are usually in the last minute; reading it alone is cheaper
    than sorting the whole range for them. What is not in the first piece though it is looked for
    by its text is rare: with `whole` the rest of the range is then one piece.
    """

    def __init__(self, wanted: LogRange, whole: bool) -> None:
        self._forward = wanted.forward
        self._whole = whole
        self._left = (wanted.start_ns, wanted.end_ns)
        self._width = FIRST_SLICE_NS

    def next(self, found: int) -> tuple[int, int] | None:
        """The next piece, or None at the end; `found` lines were in the ones before."""
        start, end = self._left
        if start >= end:
            return None
        first = self._width == FIRST_SLICE_NS
        width = min(self._width, end - start)
        if self._whole and not first and not found:
            width = end - start
        self._width *= SLICE_GROWTH
        if self._forward:
            self._left = (start + width, end)
            return start, start + width
        self._left = (start, end - width)
        return end - width, end
