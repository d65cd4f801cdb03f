"""Cells to windows `(t - range, t]`.

A range is `whole` steps and a `rest` shorter than a step. Rows are folded in cells `(t - step, t]`,
numbered from the first cell that any window touches. The window ending at step i is then the rest
of cell i and all of cells i+1 .. i+whole: windows slide exactly, whatever the range.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tailrace.query.logql.ast import RangeAggregation
from tailrace.query.logs.partials import Fold, Part
from tailrace.query.plan import Grid

Array: TypeAlias = NDArray[Any]
Combine: TypeAlias = Callable[[Array, Array], Array]

_FOLDS: Mapping[Fold, tuple[float, Combine]] = {
    "sum": (0.0, np.add),
    # NaN is an extreme only where there is nothing else.
    "min": (np.nan, np.fmin),
    "max": (np.nan, np.fmax),
    # Of these an array holds where the value stands, NaN where there is none: see `placed`.
    "first": (np.nan, lambda left, right: np.where(np.isnan(left), right, left)),
    "alone": (np.nan, lambda left, right: np.where(np.isnan(left), right, left)),
    "last": (np.nan, lambda left, right: np.where(np.isnan(right), left, right)),
}


@dataclass(frozen=True)
class Window:
    """`low_ns` (exclusive) and `high_ns` (inclusive) bound the rows that any window needs."""

    step_ns: int
    steps: int
    whole: int
    rest_ns: int
    origin_ns: int
    low_ns: int
    high_ns: int

    @classmethod
    def of(cls, aggregation: RangeAggregation, grid: Grid) -> Window:
        """The windows of an aggregation that end at the times of the grid."""
        # A single window is one cell, however long it is.
        step_ns = aggregation.range_ns if grid.steps == 1 else grid.step_ns
        whole, rest = divmod(aggregation.range_ns, step_ns)
        first = grid.start_ns - aggregation.offset_ns
        return cls(
            step_ns=step_ns,
            steps=grid.steps,
            whole=whole,
            rest_ns=rest,
            origin_ns=first - (whole + 1) * step_ns,
            low_ns=first - aggregation.range_ns,
            high_ns=grid.last_ns - aggregation.offset_ns,
        )

    @property
    def cells(self) -> int:
        """How many cells the windows touch, numbered from 0."""
        return self.steps + self.whole

    @property
    def apart(self) -> bool:
        """Whether no row is in two windows."""
        return self.whole == 0 or (self.whole == 1 and self.rest_ns == 0)

    @property
    def splits(self) -> bool:
        """Whether a window needs the last part of a cell whose whole another one needs."""
        return self.whole > 0 and self.rest_ns > 0

    @property
    def range_ns(self) -> int:
        return self.whole * self.step_ns + self.rest_ns


def placed(part: Part) -> bool:
    """Whether what is folded is the place of a value in a list, since the value may be NaN."""
    return part.fold in ("first", "last")


def dense(part: Part, shape: tuple[int, int], at: tuple[Array, Array], values: Array) -> Array:
    """An array of (series, cells) with `values` folded in at `(series, cell)`; of "first" and
    "last", values must be in order of time."""
    empty, combine = _FOLDS[part.fold]
    found = np.full(shape, empty)
    if placed(part):
        series, cells, kept = at[0], at[1], _kept(part, at[0] * shape[1] + at[1])
        found[series[kept], cells[kept]] = values[kept]
    elif part.fold == "alone":
        found[at] = values
    else:
        assert isinstance(combine, np.ufunc)
        combine.at(found, at, values)
    return found


def _kept(part: Part, keys: Array) -> Array:
    """Where each key stands first, or last. An assignment to an index that comes twice keeps either
    value, as numpy likes."""
    if part.fold == "first":
        return np.unique(keys, return_index=True)[1]
    return len(keys) - 1 - np.unique(keys[::-1], return_index=True)[1]


def slide(part: Part, whole: Array, rest: Array | None, window: Window) -> Array:
    """Windows (series, steps) of cells (series, cells); `rest` are the cells' last parts, as long
    as the range's rest."""
    empty, combine = _FOLDS[part.fold]
    found = np.full((whole.shape[0], window.steps), empty)
    if rest is not None:
        found = combine(found, rest[:, : window.steps])
    run, size, place = whole[:, 1:], 1, 0
    # Runs of 1, 2, 4, ... cells; the window is put together of those in its length.
    while size <= window.whole:
        if window.whole & size:
            found = combine(found, run[:, place : place + window.steps])
            place += size
        run = combine(run[:, :-size], run[:, size:])
        size *= 2
    return found
