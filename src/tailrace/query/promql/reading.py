"""Selectors and windows of them, read from the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from tailrace.core import limits
from tailrace.core.errors import QueryError
from tailrace.query.expressions import any_text
from tailrace.query.labels import Labels
from tailrace.query.logql.ast import Matcher
from tailrace.query.matrix.matrix import Bools, Floats, Matrix, nothing
from tailrace.query.matrix.merging import merged
from tailrace.query.plan import Grid, Statement
from tailrace.query.promql import grids, points, seriestable, windows
from tailrace.query.promql.ast import At, Selector, Window
from tailrace.query.promql.leaf import Leaf
from tailrace.query.promql.points import Points
from tailrace.query.promql.series import Found, grouped
from tailrace.query.promql.seriestable import Span
from tailrace.query.promql.tokens import MS
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

    def moved(self, on: Grid, offset_ns: int, at: At) -> Grid:
        """The grid at which a selector is read: one step where it has a fixed time."""
        if at is None:
            return Grid(on.start_ns - offset_ns, on.step_ns, on.steps)
        ends = {"start": self.start_ns, "end": self.end_ns}
        fixed = ends[at] if isinstance(at, str) else at
        return Grid(fixed - offset_ns, on.step_ns, 1)


class Reader:
    """Samples of one tenant; needs a slot. Raises QueryError, and what the engine raises."""

    def __init__(self, service: QueryService, asked: Asked) -> None:
        self._service = service
        self._asked = asked
        self._known: dict[tuple[tuple[Matcher, ...], Span], list[Found]] = {}

    async def leaf(self, leaf: Leaf, on: Grid) -> Matrix:
        """Its value at every step."""
        found, read = await self._selected(leaf.selector, leaf.range_ns, on)
        [whole] = await self._parts(leaf, [found], read)
        return spread(whole, on.steps).without_empty()

    async def leaves(
        self, leaf: Leaf, label: str, values: Sequence[str], on: Grid
    ) -> dict[str, Matrix]:
        """What each of many leaves gives that are `leaf` but for one more matcher, by its value:
        `label="value"`."""
        one_of = Matcher(label, "=~", any_text(values))
        selector = replace(leaf.selector, matchers=(*leaf.selector.matchers, one_of))
        found, read = await self._selected(selector, leaf.range_ns, on)
        parts: dict[str, list[Found]] = {value: [] for value in values}
        for one in found:
            parts[one.value(label)].append(one)
        matrices = await self._parts(leaf, list(parts.values()), read)
        spread_out = (spread(one, on.steps).without_empty() for one in matrices)
        return dict(zip(parts, spread_out, strict=True))

    async def _parts(
        self, leaf: Leaf, parts: Sequence[Sequence[Found]], read: Grid
    ) -> list[Matrix]:
        """A matrix for each part of the series."""
        groups = [_groups(leaf, part) for part in parts]
        members = [one for part in groups for _, one in part]
        _check_cells(sum(map(len, parts)), read.steps)
        if not members:
            return [nothing(read.steps)] * len(parts)
        if leaf.function in grids.GRIDS:
            values, present = await self._grid(leaf, members, read)
        else:
            values, present = await self._windows(leaf, members, read)
        found, start = [], 0
        for part in groups:
            stop = start + len(part)
            labels = [one for one, _ in part]
            found.append(merged(labels, values[start:stop], present[start:stop], None))
            start = stop
        return found

    async def _grid(
        self, leaf: Leaf, members: Sequence[Sequence[Found]], read: Grid
    ) -> tuple[Floats, Bools]:
        table = self._table(read.start_ns - leaf.range_ns, read.last_ns)
        fold = leaf.fold.function if leaf.fold else ""
        statement = grids.statement(
            leaf.function, leaf.range_ns, fold, members, self._asked.tenant, table, read
        )
        raw = await self._raw(statement)
        values, present = grids.decoded(raw, len(members), read.steps)
        return np.ones_like(values) if fold == "group" else values, present

    async def _windows(
        self, leaf: Leaf, members: Sequence[Sequence[Found]], read: Grid
    ) -> tuple[Floats, Bools]:
        samples = await self._samples(members, leaf.range_ns, read)
        window = windows.Windows(samples, milliseconds(read), leaf.range_ns // MS)
        return windows.evaluate(leaf.function, window)

    async def points(
        self, window: Window, on: Grid, named: bool
    ) -> tuple[list[Labels], Points, Grid]:
        """Series, whose labels may be the same, the samples in their windows, and the grid at which
        the windows end."""
        found, read = await self._selected(window.selector, window.range_ns, on)
        _check_cells(len(found), read.steps)
        if not found:
            return [], points.decoded(b"", 0), read
        samples = await self._samples([[one] for one in found], window.range_ns, read)
        return [one.spelled(self._asked.stored, named) for one in found], samples, read

    async def _samples(
        self, members: Sequence[Sequence[Found]], range_ns: int, read: Grid
    ) -> Points:
        """Those of all windows."""
        after = read.start_ns - range_ns
        table = self._table(after, read.last_ns)
        statement = points.statement(members, self._asked.tenant, table, after, read.last_ns)
        samples = points.decoded(await self._raw(statement), len(members))
        if len(samples.times) > limits.QUERY_VALUES:
            raise QueryError(
                f"the query needs more than {limits.QUERY_VALUES} single samples (QUERY_VALUES); "
                "use fewer series or a shorter range"
            )
        return samples

    async def _selected(
        self, selector: Selector, range_ns: int, on: Grid
    ) -> tuple[list[Found], Grid]:
        """The series that a selector selects, and where it is read. Raises QueryError when they
        are too many."""
        read = self._asked.moved(on, selector.offset_ns, selector.at)
        if read.last_ns < 0:
            return [], read
        span = (read.start_ns - range_ns, read.last_ns)
        key = (selector.matchers, span)
        if key not in self._known:
            most = limits.QUERY_SERIES_SUMMED
            found = await select(self._service, selector.matchers, self._asked.tenant, span, most)
            # In one order, whatever else was selected with them.
            self._known[key] = sorted(found, key=lambda one: one.fingerprint)
        return self._known[key], read

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


def _groups(leaf: Leaf, found: Sequence[Found]) -> list[tuple[Labels, list[Found]]]:
    """Labels, which may be there more than once, and the series that they stand for."""
    if leaf.fold is not None:
        return list(grouped(found, leaf.fold.grouping, leaf.stored).items())
    return [(one.spelled(leaf.stored, leaf.named), [one]) for one in found]


def milliseconds(on: Grid) -> NDArray[np.int64]:
    """The times of the steps, UTC milliseconds."""
    return on.start_ns // MS + np.arange(on.steps, dtype=np.int64) * (on.step_ns // MS)


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
