"""Range aggregations: from the rows of a log query to series on a grid."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import numpy as np

from tailrace.core.errors import QueryError
from tailrace.core.limits import QUERY_CELLS
from tailrace.query.absence import absent
from tailrace.query.binder import Binder
from tailrace.query.bounds.question import remark
from tailrace.query.labels import LEVEL_NAMES, Labels, level, stream
from tailrace.query.logql.ast import RangeAggregation
from tailrace.query.logs import cells, samples, scan
from tailrace.query.logs.columns import NANOSECONDS
from tailrace.query.logs.condition import NotExpressible, any_of
from tailrace.query.logs.folded import Folded, Series, columns_of
from tailrace.query.logs.leaf import Leaf
from tailrace.query.logs.partials import PER_SECOND, WHOLE, Part, alone, parts_of, weighs
from tailrace.query.logs.pushdown import pushed
from tailrace.query.logs.reading import Columns, Reading, Rows
from tailrace.query.logs.values import Values
from tailrace.query.logs.windows import Array, Window
from tailrace.query.matrix.grouping import Grouping
from tailrace.query.matrix.matrix import Matrix, nothing
from tailrace.query.pipeline.pipeline import Row
from tailrace.query.plan import Grid, Statement

_IN_STREAMS = frozenset({"service_name", "host_name", "level"})
_SAMPLED = "{} of sampled rows: it is that of the rows which were kept"


async def aggregate(leaf: Leaf, grid: Grid, reading: Reading) -> Matrix:
    """The series of a range aggregation. Raises QueryError, and what the engine raises."""
    if not grid.steps:
        return nothing(0)
    query = leaf.aggregation
    asked = _Asked(query, Window.of(query, grid), reading, leaf.named)
    if query.function == "absent_over_time":
        return await asked.absent()
    return await asked.matrix()


class _Asked:
    """One aggregation on its way."""

    def __init__(
        self,
        query: RangeAggregation,
        window: Window,
        reading: Reading,
        named: frozenset[str] = frozenset(),
    ) -> None:
        self._query = query
        self._window = window
        self._reading = reading
        grouping = query.grouping
        self._labels = None if grouping is None or grouping.without else grouping.labels
        self._removed = frozenset(grouping.labels if grouping and grouping.without else ())
        # Those that are in every stream tell series apart already.
        self._besides = tuple(sorted(named - self._removed - _IN_STREAMS))
        self._series = Series()
        self._rows = pushed(query.query, reading.tenant, reading.keys, Binder())

    async def matrix(self) -> Matrix:
        """Rows in SQL where it can be, else through the pipeline."""
        if self._query.function in WHOLE:
            return await self._of_values()
        parts = parts_of(self._query.function, self._query.unwrap is not None)
        folded = Folded(parts, self._window)
        try:
            value, keys = self._expressed()
        except NotExpressible:
            await self._scan(lambda found: folded.add(*samples.cells(found, parts, self._window)))
        else:
            await self._count(folded, parts, value, keys)
        return self._result(folded)

    def _expressed(self) -> tuple[str, cells.Keys]:
        """The number and the keys of a row as SQL. Raises NotExpressible."""
        rows = self._rows
        if not rows.complete:
            raise NotExpressible("a stage")
        value = rows.unwrap(self._query.unwrap) if self._query.unwrap else ""
        if self._labels is None and (rows.parses or rows.renames):
            raise NotExpressible("all labels of a parser, or under other names")
        return value, cells.Keys.of(self._labels, self._besides, rows)

    async def _count(
        self, folded: Folded, parts: Sequence[Part], value: str, keys: cells.Keys
    ) -> None:
        sure, complete = await self._cells(parts, value, keys)
        if not complete:
            unsure = any_of(self._rows.unsure, keys.unsure)
            await self._scan(
                lambda found: folded.add(*samples.cells(found, parts, self._window)), unsure
            )
        self._put(folded, parts, keys, sure)

    async def _cells(
        self, parts: Sequence[Part], value: str, keys: cells.Keys
    ) -> tuple[Rows, bool]:
        """The cells of the rows of which SQL is sure, and whether these are all rows."""
        rows = await self._reading.rows(
            cells.statement(self._rows, keys, value, parts, self._window, self._reading)
        )
        if len(rows) > QUERY_CELLS:
            raise QueryError(
                f"the query needs more than {QUERY_CELLS} cells of series and steps "
                "(QUERY_CELLS); use a longer step or fewer series"
            )
        if any(row[0] == cells.ERROR for row in rows):
            raise scan.failed("JSONParserErr", "a line is no JSON object")
        sure = [row for row in rows if row[0] == cells.SURE]
        return sure, len(sure) == len(rows)

    def _put(self, folded: Folded, parts: Sequence[Part], keys: cells.Keys, sure: Rows) -> None:
        count = len(keys.columns)
        numbers = self._numbers([row[1 : 1 + count] for row in sure])
        columns = list(zip(*(row[1 + count :] for row in sure), strict=True))
        if columns:
            places = np.array(columns[0], np.int64)
            folded.add(numbers, places, columns_of(columns[1:], parts, self._window.splits))

    def _numbers(self, keys: Sequence[tuple[Any, ...]]) -> Array:
        """The number of each row's series; several keys may be one label set."""
        known: dict[Any, int] = {}
        numbers = np.empty(len(keys), np.int64)
        for place, key in enumerate(keys):
            same = key
            if self._labels is None:
                same = (*key[:3], tuple(key[3].items()), *key[4:])
            number = known.get(same)
            if number is None:
                number = known[same] = self._series.number(self._named(key))
            numbers[place] = number
        return numbers

    def _named(self, key: tuple[Any, ...]) -> Labels:
        if self._labels is None:
            besides = dict(zip(self._besides, key[4:], strict=True))
            return self._rest({**besides, **stream(*key[:4])})
        pairs = []
        for name, value in zip(self._labels, key, strict=True):
            shown = value
            if name in LEVEL_NAMES:
                shown = "" if value == 255 else level(value)
            if shown:
                pairs.append((name, shown))
        return tuple(sorted(pairs))

    def _rest(self, labels: dict[str, str]) -> Labels:
        """Of all the labels of a row, those that name its series."""
        unwrapped = self._query.unwrap.label if self._query.unwrap else ""
        return tuple(
            sorted(
                (name, value)
                for name, value in labels.items()
                if value
                and name not in self._removed
                and name != unwrapped
                and not name.startswith("__error")
                and self._rows.stays(name)
            )
        )

    def _by(self, row: Row) -> Labels:
        if self._labels is None:
            own = row.labels.metadata() if self._besides else {}
            besides = {name: own[name] for name in self._besides if name in own}
            return self._rest({**besides, **row.labels.stream(), **row.labels.parsed()})
        pairs = ((name, row.labels.get(name)) for name in self._labels)
        return tuple(sorted((name, value) for name, value in pairs if value))

    async def _scan(self, add: Callable[[samples.Samples], None], only: str = "") -> None:
        """Rows through the pipeline; with `only` those of which SQL is not sure."""
        rows, bind = self._rows, self._rows.bind
        conditions = [*rows.may_pass, *cells.times(self._window, bind), *([only] if only else [])]
        found = scan.statement(rows, conditions, self._reading)
        wanted = None if self._labels is None else frozenset(self._labels)
        measure = scan.measure_of(self._query.query, self._query.unwrap, wanted)
        blocks = scan.samples(found, measure, self._by, self._series, self._reading)
        async for block in blocks:
            add(block)

    async def _of_values(self) -> Matrix:
        values = Values()
        try:
            number, keys = self._expressed()
        except NotExpressible:
            await self._scan(values.add)
        else:
            if (found := await self._alone(number, keys)) is not None:
                return found
            await self._read(values, number, keys)
        count = len(self._series.numbers)
        parameter = self._query.parameter or 0.0
        rows, results = values.windows(self._query.function, parameter, self._window, count)
        return self._weighed(rows, results, values.heaviest)

    def _weighed(self, rows: Array, found: Array, heaviest: int) -> Matrix:
        if heaviest > 1:
            remark(f"{self._query.function} weighs sampled rows")
        return Matrix(list(self._series.numbers), found, rows > 0).without_empty()

    async def _alone(self, number: str, keys: cells.Keys) -> Matrix | None:
        """Each window as one aggregate of the engine. None where the values must be read: windows
        share rows, SQL is not sure of some, or they stand for others and the aggregate does not
        know it."""
        part = alone(self._query.function, self._query.parameter or 0.0, self._rows.bind)
        if part is None or not self._window.apart:
            return None
        keys = keys.by_level()
        sure, complete = await self._cells((part,), number, keys)
        if not complete:
            return None
        folded = Folded((part,), self._window)
        self._put(folded, (part,), keys, sure)
        if folded.overlaps or (folded.heaviest > 1 and not weighs(part)):
            return None
        rows, found = folded.windows(len(self._series.numbers))
        return self._weighed(rows, found[0], folded.heaviest)

    async def _read(self, values: Values, number: str, keys: cells.Keys) -> None:
        """Rows of which SQL is sure as they are, the others through the pipeline."""
        rows = self._rows
        unsure = any_of(rows.unsure, keys.unsure)
        where = [
            f"Tenant = {rows.bind.text(self._reading.tenant)}",
            *rows.may_pass,
            *cells.times(self._window, rows.bind),
        ]
        flag = any_of(unsure, rows.error) or "0"
        columns = [f"{flag} AS flag", *keys.columns, NANOSECONDS, "toInt64(Weight)", number]
        sql = f"SELECT {', '.join(columns)} FROM {self._reading.table} WHERE {' AND '.join(where)}"
        async with aclosing(self._reading.blocks(Statement(sql, rows.bind.values))) as blocks:
            odd = await self._add(values, blocks)
        if odd:
            await self._scan(values.add, any_of(unsure, rows.error))

    async def _add(self, values: Values, blocks: AsyncIterator[Columns]) -> bool:
        """The sure rows of blocks of `(flag, keys..., time, weight, number)`; whether there are
        others."""
        odd = False
        async for block in blocks:
            flags = np.array(block[0], np.bool_)
            odd = odd or bool(flags.any())
            kept = np.flatnonzero(~flags)
            named = list(zip(*block[1:-3], strict=True)) if len(block) > 4 else [()] * len(flags)
            numbers = self._numbers([named[n] for n in kept])
            times, weights, found = (np.array(column)[kept] for column in block[-3:])
            values.add(
                samples.Samples(numbers, times, weights.astype(float), found, np.zeros(len(kept)))
            )
        return odd

    def _result(self, folded: Folded) -> Matrix:
        query = self._query
        rows, found = folded.windows(len(self._series.numbers))
        values, variance = found[0], None
        if query.function == "avg_over_time":
            values = found[0] / np.where(found[1] > 0, found[1], 1)
        elif len(found) == 2:
            variance = found[1]
        if folded.heaviest > 1 and query.function.startswith(("min_", "max_", "first_", "last_")):
            remark(_SAMPLED.format(query.function))
        if query.function in PER_SECOND:
            seconds = query.range_ns / 1e9
            values = values / seconds
            variance = None if variance is None else variance / seconds**2
        if folded.heaviest == 1:
            variance = np.zeros_like(values)
        return Matrix(list(self._series.numbers), values, rows > 0, variance).without_empty()

    async def absent(self) -> Matrix:
        """1 at the steps at which no row is in the window, with the labels that are sure."""
        asked = _Asked(counted(self._query), self._window, self._reading)
        return absent(await asked.matrix(), self._query.query.matchers)


def counted(query: RangeAggregation) -> RangeAggregation:
    """What absent_over_time looks at: how many rows there are."""
    return replace(query, function="count_over_time", grouping=Grouping(False, ()))
