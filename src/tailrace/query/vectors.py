"""Series on a grid: sliding sums, aggregation over series, arithmetic. Pure Python, small data."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate

from tailrace.core.errors import QueryError
from tailrace.core.limits import QUERY_SERIES
from tailrace.query.labels import Labels
from tailrace.query.matrix.grouping import Grouping
from tailrace.query.plan import Window

Values = list[float | None]
Series = dict[Labels, Values]
_FOLDS: Mapping[str, Callable[[list[float]], float]] = {
    "sum": math.fsum,
    "min": min,
    "max": max,
    "avg": lambda values: math.fsum(values) / len(values),
    "count": lambda values: float(len(values)),
}


@dataclass(frozen=True)
class Scalar:
    """One value at every step, without labels; not a series."""

    value: float


Value = Scalar | Series


def slide(sums: Iterable[tuple[int, int, int]], window: Window, steps: int) -> Values:
    """Window sums from `(cell, whole, rest)`; None where a window holds nothing."""
    change = [0] * (steps + 1)
    rests = [0] * steps
    for cell, whole, rest in sums:
        first, after = max(cell - window.whole, 0), min(cell, steps)
        if first < after:
            change[first] += whole
            change[after] -= whole
        if cell < steps:
            rests[cell] += rest
    totals = accumulate(change[:steps])
    return [float(a + b) if a + b else None for a, b in zip(totals, rests, strict=True)]


def check_series(count: int) -> None:
    """Raise QueryError when there are more series than an answer may hold."""
    if count > QUERY_SERIES:
        raise QueryError(
            f"the query has more than {QUERY_SERIES} series (QUERY_SERIES); "
            "narrow the selector or aggregate by fewer labels"
        )


def aggregate(function: str, grouping: Grouping, series: Series) -> Series:
    """`function` over the series of each group, at each step that has a sample."""
    groups: dict[Labels, list[Values]] = {}
    for labels, values in series.items():
        groups.setdefault(_group(labels, grouping), []).append(values)
    fold = _FOLDS[function]
    return {labels: _fold(fold, members) for labels, members in groups.items()}


def _group(labels: Labels, grouping: Grouping) -> Labels:
    chosen = frozenset(grouping.labels)
    return tuple(pair for pair in labels if (pair[0] in chosen) != grouping.without)


def _fold(fold: Callable[[list[float]], float], members: list[Values]) -> Values:
    out: Values = []
    for column in zip(*members, strict=True):
        present = [value for value in column if value is not None]
        out.append(fold(present) if present else None)
    return out


def combine(op: str, left: Value, right: Value) -> Value:
    """Arithmetic; two vectors are joined where all their labels are equal."""
    if isinstance(left, Scalar) and isinstance(right, Scalar):
        return Scalar(_apply(op, left.value, right.value))
    if isinstance(right, Scalar):
        assert not isinstance(left, Scalar)
        number = right.value
        return {
            labels: [None if v is None else _apply(op, v, number) for v in values]
            for labels, values in left.items()
        }
    if isinstance(left, Scalar):
        number = left.value
        return {
            labels: [None if v is None else _apply(op, number, v) for v in values]
            for labels, values in right.items()
        }
    return {
        labels: [
            None if a is None or b is None else _apply(op, a, b)
            for a, b in zip(values, right[labels], strict=True)
        ]
        for labels, values in left.items()
        if labels in right
    }


def _apply(op: str, left: float, right: float) -> float:
    if op == "+":
        return left + right
    if op == "-":
        return left - right
    if op == "*":
        return left * right
    return left / right if right else math.nan
