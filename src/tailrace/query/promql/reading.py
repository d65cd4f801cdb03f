"""Selectors and windows of them, read from the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

import numpy as np

from tailrace.core import limits
from tailrace.core.errors import QueryError
from tailrace.query.labels import Labels
from tailrace.query.logql.ast import Matcher
from tailrace.query.matrix.grouping import Grouping
from tailrace.query.matrix.matrix import Matrix, nothing
from tailrace.query.matrix.merging import merged
from tailrace.query.plan import Grid, Statement
from tailrace.query.promql import grids, points, seriestable
from tailrace.query.promql.ast import At, Selector
from tailrace.query.promql.points import Points
from tailrace.query.promql.series import Found, grouped
from tailrace.query.promql.seriestable import Span
from tailrace.query.service import QueryService
from tailrace.query.sources import Source
from tailrace.query.times import SECOND_NS


@dataclass(frozen=True)
class Asked:
    """The query around an evaluation. `stored`: names are spelled as they are stored; `lookback_ns`
    is how old a last sample may be; `start_ns` and `end_ns` are those of `start()` and `end()`.
    `sources`: where samples are, by the ranges of spans.py."""

    tenant: str
    start_ns: int
    end_ns: int
    step_ns: int
    stored: bool = False
    lookback_ns: int = limits.QUERY_LOOKBACK_S * SECOND_NS
    sources: Mapping[tuple[int, int], Source] = field(default_factory=dict)


@dataclass(frozen=True)
class Fold:
    """An aggregation that the engine does: one of `grids.FOLDS`."""

    function: str
    grouping: Grouping


class Reader:
    """Samples of one tenant; needs a slot. Raises QueryError, and what the engine raises."""

    def __init__(self, service: QueryService, asked: Asked) -> None:
        self._service = service
        self._asked = asked
        self._known: dict[tuple[tuple[Matcher, ...], Span], list[Found]] = {}

    def moved(self, on: Grid, offset_ns: int, at: At) -> Grid:
        """The grid at which a selector is read: one step where it has a fixed time."""
        if at is None:
            return Grid(on.start_ns - offset_ns, on.step_ns, on.steps)
        ends = {"start": self._asked.start_ns, "end": self._asked.end_ns}
        fixed = ends[at] if isinstance(at, str) else at
        return Grid(fixed - offset_ns, on.step_ns, 1)

    async def last(self, selector: Selector, on: Grid, of_time: bool = False) -> Matrix:
        """The last sample of each series within the lookback, or its time in seconds."""
        function = "timestamp" if of_time else ""
        return await self.grid(function, selector, self._asked.lookback_ns, on)

    async def grid(
        self, function: str, selector: Selector, range_ns: int, on: Grid, fold: Fold | None = None
    ) -> Matrix:
        """A function of `grids.GRIDS` at every step, of each series or folded."""
        read = self.moved(on, selector.offset_ns, selector.at)
        if read.last_ns < 0:
            return nothing(on.steps)
        found = await self._found(selector, read.start_ns - range_ns, read.last_ns)
        labels, members = self._labelled(found, named=not function)
        if fold is not None:
            groups = grouped(found, fold.grouping, self._asked.stored)
            labels, members = list(groups), list(groups.values())
        _check_cells(len(found), read.steps)
        if not found:
            return nothing(on.steps)
        table = self._table(read.start_ns - range_ns, read.last_ns)
        name = fold.function if fold else ""
        statement = grids.statement(
            function, range_ns, name, members, self._asked.tenant, table, read
        )
        raw = await self._raw(statement)
        values, present = grids.decoded(raw, len(members), read.steps)
        if name == "group":
            values = np.ones_like(values)
        return spread(merged(labels, values, present, None), on.steps).without_empty()

    def _labelled(
        self, found: Sequence[Found], named: bool
    ) -> tuple[list[Labels], list[list[Found]]]:
        """Each series by itself, and its labels, which may be those of another one, too."""
        return [one.spelled(self._asked.stored, named) for one in found], [[one] for one in found]

    async def points(
        self, selector: Selector, range_ns: int, on: Grid, named: bool
    ) -> tuple[list[Labels], Points, Grid]:
        """Series, whose labels may be the same, the samples in their windows, and the grid at which
        the windows end."""
        read = self.moved(on, selector.offset_ns, selector.at)
        after = read.start_ns - range_ns
        found = await self._found(selector, after, read.last_ns) if read.last_ns >= 0 else []
        labels, members = self._labelled(found, named)
        _check_cells(len(found), read.steps)
        if not found:
            return [], points.decoded(b"", 0), read
        table = self._table(after, read.last_ns)
        statement = points.statement(members, self._asked.tenant, table, after, read.last_ns)
        samples = points.decoded(await self._raw(statement), len(found))
        if len(samples.times) > limits.QUERY_VALUES:
            raise QueryError(
                f"the query needs more than {limits.QUERY_VALUES} single samples (QUERY_VALUES); "
                "use fewer series or a shorter range"
            )
        return labels, samples, read

    async def _found(self, selector: Selector, start_ns: int, end_ns: int) -> list[Found]:
        """The series that a selector selects. Raises QueryError when they are too many."""
        span = (start_ns, end_ns)
        key = (selector.matchers, span)
        if key not in self._known:
            most = limits.QUERY_SERIES_SUMMED
            self._known[key] = await select(
                self._service, selector.matchers, self._asked.tenant, span, most
            )
        return self._known[key]

    def _table(self, start_ns: int, end_ns: int) -> str:
        source = next(
            found
            for (first_ns, last_ns), found in self._asked.sources.items()
            if first_ns <= start_ns and end_ns <= last_ns
        )
        return source.within(max(start_ns, 0), end_ns).table

    async def _raw(self, statement: Statement) -> bytes:
        out = bytearray()
        async with aclosing(self._service.raw(statement, "RowBinary")) as pieces:
            async for piece in pieces:
                out += piece
        return bytes(out)


async def select(
    service: QueryService, matchers: Sequence[Matcher], tenant: str, span: Span, most: int
) -> list[Found]:
    """The series that matchers select, seen within the hours of `span`; needs a slot. Raises
    QueryError when they are more than `most`."""
    rows = await service.run(seriestable.selected(matchers, tenant, span, most + 1))
    if len(rows) > most:
        raise QueryError(f"more than {most} series match; narrow the selector")
    return [Found(int(number), str(name), _labels(labels)) for number, name, labels in rows]


def _labels(found: Mapping[str, str]) -> Mapping[str, str]:
    """An empty label is none."""
    return {name: value for name, value in found.items() if value}


def spread(found: Matrix, steps: int) -> Matrix:
    """The only step of a fixed time at each step of the query."""
    if found.steps == steps:
        return found
    return Matrix(
        found.labels, np.repeat(found.values, steps, 1), np.repeat(found.present, steps, 1), None
    )


def _check_cells(series: int, steps: int) -> None:
    if series * steps > limits.QUERY_CELLS_SUMMED:
        raise QueryError(
            f"{series} series at {steps} steps are more than {limits.QUERY_CELLS_SUMMED} cells "
            "(QUERY_CELLS_SUMMED); use a longer step or fewer series"
        )
