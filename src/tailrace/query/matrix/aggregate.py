"""Aggregation over series, step by step, as Prometheus does it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tailrace.core.errors import QueryError
from tailrace.core.limits import QUERY_SERIES
from tailrace.query.labels import Labels
from tailrace.query.matrix.grouping import Grouping
from tailrace.query.matrix.groups import grouped
from tailrace.query.matrix.matrix import Bools, Floats, Matrix, matrix_of
from tailrace.query.matrix.order import largest, ordered
from tailrace.query.numbers import number

RANKED = frozenset({"topk", "bottomk", "approx_topk", "limitk"})


def aggregate(
    function: str, grouping: Grouping, operand: Matrix, parameter: float | str | None = None
) -> Matrix:
    """`function by or without labels (parameter, operand)`.

    sum avg min max count group stddev stdvar quantile topk bottomk approx_topk limitk count_values
    sort sort_desc; `parameter` is the number of topk and its like, of quantile, or the label of
    count_values. Raises QueryError.
    """
    if function in ("sort", "sort_desc"):
        return ordered(operand, descending=function == "sort_desc")
    groups, numbers = grouped(operand.labels, grouping)
    if function in RANKED:
        count = _count(parameter)
        kept = largest(function, operand, numbers, len(groups), count)
        return Matrix(operand.labels, operand.values, kept, operand.variance).without_empty()
    if function == "count_values":
        return _count_values(operand, groups, numbers, str(parameter))
    shape = (len(groups), operand.steps)
    present = np.zeros(shape, np.bool_)
    np.logical_or.at(present, numbers, operand.present)
    with np.errstate(all="ignore"):
        values, variance = _folded(function, operand, numbers, shape, parameter)
    return Matrix(groups, values, present, variance)


def _count(parameter: float | str | None) -> int:
    """Series that topk and its like keep; a number below 1 keeps none."""
    if not isinstance(parameter, float | int) or math.isnan(parameter):
        raise QueryError("topk and its like need a number")
    return int(min(max(parameter, 0), QUERY_SERIES))


def _folded(
    function: str, operand: Matrix, numbers: Any, shape: tuple[int, int], parameter: Any
) -> tuple[Floats, Floats | None]:
    values, there = operand.values, operand.present
    if function == "sum":
        total, variance = _sum(values, there, numbers, shape), None
        if operand.variance is not None:
            variance = _sum(operand.variance, there, numbers, shape)
        return total, variance
    known = np.zeros(shape) if _exact(operand) else None
    if function in ("min", "max"):
        return _extreme(function, values, there, numbers, shape), known
    if function == "group":
        return np.ones(shape), known
    count = _sum(np.ones_like(values), there, numbers, shape)
    if function == "count":
        # How many series there are is not an estimate, whatever their values are.
        return count, np.zeros(shape)
    if function == "avg":
        return _mean(values, there, numbers, shape, count), known
    if function in ("stddev", "stdvar"):
        found = _variance(values, there, numbers, shape, count)
        return (np.sqrt(found) if function == "stddev" else found), known
    if function == "quantile":
        return _quantiles(values, there, numbers, shape, float(parameter)), known
    raise QueryError(f"{function} is no aggregation")


def _exact(operand: Matrix) -> bool:
    return operand.variance is not None and not operand.variance.any()


def _sum(values: Floats, there: Bools, numbers: Any, shape: tuple[int, int]) -> Floats:
    found = np.zeros(shape)
    np.add.at(found, numbers, np.where(there, values, 0.0))
    return found


def _mean(
    values: Floats, there: Bools, numbers: Any, shape: tuple[int, int], count: Floats
) -> Floats:
    """Also where the sum is larger than any float."""
    some = np.maximum(count, 1)
    found = _sum(values, there, numbers, shape) / some
    return np.where(np.isinf(found), _sum(values / some[numbers], there, numbers, shape), found)


def _extreme(
    function: str, values: Floats, there: Bools, numbers: Any, shape: tuple[int, int]
) -> Floats:
    """NaN only where every value is."""
    fold, empty = (np.fmin, np.inf) if function == "min" else (np.fmax, -np.inf)
    found = np.full(shape, np.nan)
    fold.at(found, numbers, np.where(there, values, np.nan))
    nothing_but_nan = np.ones(shape, np.bool_)
    np.logical_and.at(nothing_but_nan, numbers, ~there | np.isnan(values))
    return np.where(np.isnan(found) & ~nothing_but_nan, empty, found)


def _variance(
    values: Floats, there: Bools, numbers: Any, shape: tuple[int, int], count: Floats
) -> Floats:
    mean = _mean(values, there, numbers, shape, count)
    return _sum((values - mean[numbers]) ** 2, there, numbers, shape) / np.maximum(count, 1)


def _quantiles(
    values: Floats, there: Bools, numbers: Any, shape: tuple[int, int], q: float
) -> Floats:
    found = np.zeros(shape)
    for group in range(shape[0]):
        rows = np.flatnonzero(numbers == group)
        for step in range(shape[1]):
            some = values[rows, step][there[rows, step]]
            if some.size:
                found[group, step] = quantile(some, q)
    return found


def quantile(values: Floats, q: float) -> float:
    """Prometheus' quantile: linear between neighbours; NaN is smaller than any number."""
    if math.isnan(q):
        return math.nan
    if q < 0 or q > 1:
        return math.copysign(math.inf, q)
    nans = np.isnan(values)
    in_order = np.concatenate((values[nans], np.sort(values[~nans])))
    rank = q * (len(in_order) - 1)
    low = math.floor(rank)
    high = min(low + 1, len(in_order) - 1)
    part = rank - low
    return float(in_order[low] * (1 - part) + in_order[high] * part)


def _count_values(operand: Matrix, groups: list[Labels], numbers: Any, label: str) -> Matrix:
    """A series for each value that a group has, which counts the series that have it."""
    found: dict[Labels, list[float | None]] = {}
    for row, group in enumerate(numbers):
        for step in np.flatnonzero(operand.present[row]):
            text = number(float(operand.values[row, step]))
            own = {**dict(groups[group]), label: text}
            key = tuple(sorted((name, value) for name, value in own.items() if value))
            counts = found.setdefault(key, [None] * operand.steps)
            counts[step] = (counts[step] or 0.0) + 1
            if len(found) > QUERY_SERIES:
                raise QueryError(f"count_values gives more than {QUERY_SERIES} series")
    return matrix_of(found, operand.steps)
