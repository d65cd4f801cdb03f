"""Cells of series, as arrays: from the engine's rows, or from rows that passed a pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tailrace.core.errors import QueryError
from tailrace.core.limits import QUERY_SERIES
from tailrace.query.labels import Labels
from tailrace.query.logs.partials import ROWS, Part
from tailrace.query.logs.windows import Array, Window, dense, placed, slide


def check_series(count: int) -> None:
    """Raise QueryError when there are more series than an answer may hold."""
    if count > QUERY_SERIES:
        raise QueryError(
            f"the query has more than {QUERY_SERIES} series (QUERY_SERIES); "
            "narrow the selector or aggregate by fewer labels"
        )


class Series:
    """Numbers for label sets, in the order they are seen."""

    def __init__(self) -> None:
        self.numbers: dict[Labels, int] = {}

    def number(self, labels: Labels) -> int:
        """Raises QueryError when there are more than an answer may hold."""
        found = self.numbers.setdefault(labels, len(self.numbers))
        check_series(len(self.numbers))
        return found


class Folded:
    """Parts of cells. `add` columns of one row a cell, then ask `windows`."""

    def __init__(self, parts: Sequence[Part], window: Window) -> None:
        self._parts = parts
        self._window = window
        self._added: list[tuple[Array, Array, dict[str, Array]]] = []
        self.heaviest = 1

    def add(self, series: Array, cells: Array, columns: dict[str, Array]) -> None:
        """`columns`: of each part, by `name`; of the rest of a range with `late_` before it."""
        self._added.append((series, cells, columns))
        if len(series):
            self.heaviest = max(self.heaviest, int(columns["heaviest"].max()))

    @property
    def overlaps(self) -> bool:
        """Whether several rows are of one cell of one series."""
        places = [series * self._window.cells + cells for series, cells, _ in self._added]
        return bool(places) and len(np.unique(np.concatenate(places))) < sum(map(len, places))

    def windows(self, count: int) -> tuple[Array, list[Array]]:
        """How many rows each window (series, steps) holds, and the value of each part."""
        slid = [self._slid(number, part, count) for number, part in enumerate((ROWS, *self._parts))]
        return slid[0], slid[1:]

    def _slid(self, number: int, part: Part, count: int) -> Array:
        window = self._window
        known: list[Array] = []
        whole = self._dense(f"{number}", part, count, known)
        # Of windows shorter than a step there are no rows but those of a cell's last part.
        rest = None if window.whole else whole
        if window.splits:
            rest = self._dense(f"late_{number}", part, count, known)
        with np.errstate(invalid="ignore"):
            found = slide(part, whole, rest, window)
        if not placed(part):
            return found
        table = np.concatenate([*known, [np.nan]])
        return table[np.where(np.isnan(found), len(table) - 1, found).astype(np.int64)]

    def _dense(self, name: str, part: Part, count: int, known: list[Array]) -> Array:
        """Cells of all series; of first and last values their places among the `known`."""
        shape = (count, self._window.cells)
        some = [one for one in self._added if name in one[2]]
        if not some:
            return dense(part, shape, (np.empty(0, int), np.empty(0, int)), np.empty(0))
        series = np.concatenate([one[0] for one in some])
        cells = np.concatenate([one[1] for one in some])
        values = np.concatenate([one[2][name] for one in some])
        # What an aggregate says of no rows is no value.
        counts = "late_0" if name.startswith("late_") else "0"
        kept = np.concatenate([one[2][counts] for one in some]) > 0
        order = np.flatnonzero(kept & (cells < shape[1]))
        if placed(part):
            times = np.concatenate([one[2][f"{name}_time"] for one in some])
            order = order[np.argsort(times[order], kind="stable")]
            before = sum(map(len, known))
            known.append(values)
            values = np.arange(before, before + len(values), dtype=np.float64)
        with np.errstate(invalid="ignore"):
            return dense(part, shape, (series[order], cells[order]), values[order])


def columns_of(
    rows: Sequence[Sequence[Any]], parts: Sequence[Part], late: bool
) -> dict[str, Array]:
    """Columns after the cell in rows of cells.statement, as `Folded.add` wants them."""
    names = ["0", "heaviest", *(f"{n}" for n in range(1, len(parts) + 1))]
    if late:
        names += [f"late_{n}" for n in range(len(parts) + 1)]
    timed = [n for n, part in enumerate(parts, 1) if part.fold in ("first", "last")]
    names += [f"{n}_time" for n in timed]
    if late:
        names += [f"late_{n}_time" for n in timed]
    return {
        name: np.array(column, np.int64 if name.endswith("_time") else np.float64)
        for name, column in zip(names, rows, strict=True)
    }
