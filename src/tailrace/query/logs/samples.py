"""Samples: rows that count for a range aggregation, as arrays, block by block."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tailrace.query.logs.partials import (
    BYTES,
    BYTES_VARIANCE,
    COUNT,
    COUNT_VARIANCE,
    FIRST,
    LAST,
    LEAST,
    MOST,
    ROWS,
    SUM,
    SUM_VARIANCE,
    Part,
)  # fmt: skip
from tailrace.query.logs.windows import Array, Window


@dataclass(frozen=True)
class Samples:
    """Of each row: the number of its series, time in nanoseconds, weight, number and bytes."""

    series: Array
    times: Array
    weights: Array
    values: Array
    sizes: Array

    @classmethod
    def of(cls, rows: Sequence[tuple[int, int, int, float, int]]) -> Samples:
        """From `(series, nanoseconds, weight, number, bytes)`."""
        columns = list(zip(*rows, strict=True)) or [()] * 5
        kinds = (np.int64, np.int64, np.float64, np.float64, np.float64)
        return cls(*(np.array(c, kind) for c, kind in zip(columns, kinds, strict=True)))


_ROW: Mapping[Part, Callable[[Samples], Array]] = {
    ROWS: lambda s: np.ones_like(s.weights),
    COUNT: lambda s: s.weights,
    COUNT_VARIANCE: lambda s: s.weights * (s.weights - 1),
    BYTES: lambda s: s.weights * s.sizes,
    BYTES_VARIANCE: lambda s: s.weights * (s.weights - 1) * s.sizes**2,
    SUM: lambda s: s.weights * s.values,
    # A row that stands for itself is sure, also when its number is infinite.
    SUM_VARIANCE: lambda s: np.where(s.weights > 1, s.weights * (s.weights - 1) * s.values**2, 0.0),
    LEAST: lambda s: s.values,
    MOST: lambda s: s.values,
    FIRST: lambda s: s.values,
    LAST: lambda s: s.values,
}
# Of extremes NaN is one only where there is nothing else.
_REDUCE: Mapping[str, np.ufunc] = {"sum": np.add, "min": np.fmin, "max": np.fmax}


def _late(samples: Samples, window: Window) -> Array:
    since = samples.times - (window.origin_ns + 1)
    found: Array = since % window.step_ns >= window.step_ns - window.rest_ns
    return found


def cells(
    samples: Samples, parts: Sequence[Part], window: Window
) -> tuple[Array, Array, dict[str, Array]]:
    """Series, cells and columns for `Folded.add`: one row for each cell of each series, and, where
    windows split cells, another for the rows in its last part."""
    with np.errstate(invalid="ignore"):
        return _with_rest(samples, parts, window)


def _with_rest(
    samples: Samples, parts: Sequence[Part], window: Window
) -> tuple[Array, Array, dict[str, Array]]:
    found = _folded(samples, parts, window, "")
    if not window.splits:
        return found
    kept = np.flatnonzero(_late(samples, window))
    late = Samples(
        samples.series[kept], samples.times[kept], samples.weights[kept], samples.values[kept],
        samples.sizes[kept],
    )  # fmt: skip
    return _joined(found, _folded(late, parts, window, "late_"))


def _folded(
    samples: Samples, parts: Sequence[Part], window: Window, prefix: str
) -> tuple[Array, Array, dict[str, Array]]:
    places = (samples.times - (window.origin_ns + 1)) // window.step_ns
    order = np.lexsort((samples.times, places, samples.series))
    series, places = samples.series[order], places[order]
    new = np.flatnonzero(
        np.diff(series, prepend=-1).astype(bool) | np.diff(places, prepend=-1).astype(bool)
    )
    last = np.append(new[1:], len(order)) - 1 if len(new) else new
    columns: dict[str, Array] = {}
    for number, part in enumerate((ROWS, *parts)):
        values = _ROW[part](samples)[order]
        name = f"{prefix}{number}"
        if part.fold in ("first", "last"):
            at = new if part.fold == "first" else last
            columns[name], columns[f"{name}_time"] = values[at], samples.times[order][at]
        else:
            columns[name] = _REDUCE[part.fold].reduceat(values, new) if len(new) else values
    heaviest = samples.weights[order]
    columns["heaviest"] = np.maximum.reduceat(heaviest, new) if len(new) else heaviest
    return series[new], places[new], columns


def _joined(
    left: tuple[Array, Array, dict[str, Array]], right: tuple[Array, Array, dict[str, Array]]
) -> tuple[Array, Array, dict[str, Array]]:
    """Rows of both; a column that one side has not says nothing there, as `late_0` tells."""
    counts = len(left[0]), len(right[0])
    columns = {}
    for name in left[2].keys() | right[2].keys():
        sides = [
            side[2].get(name, np.zeros(count))
            for side, count in zip((left, right), counts, strict=True)
        ]
        columns[name] = np.concatenate(sides)
    return np.concatenate((left[0], right[0])), np.concatenate((left[1], right[1])), columns
