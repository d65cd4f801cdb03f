"""Operators between series and numbers, as Prometheus defines them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from tailrace.core.errors import QueryError
from tailrace.query.matrix.grouping import EQUAL_LABELS, Matching
from tailrace.query.matrix.groups import without_name
from tailrace.query.matrix.joining import Numbers, joined, set_operation
from tailrace.query.matrix.matrix import Bools, Floats, Matrix, Scalar, Value
from tailrace.query.matrix.merging import merged

ARITHMETIC: Mapping[str, Callable[[Floats, Floats], Floats]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "%": np.fmod, "^": np.power,
    "atan2": np.arctan2,
}  # fmt: skip
COMPARISONS: Mapping[str, Callable[[Floats, Floats], Bools]] = {
    "==": np.equal, "!=": np.not_equal, ">": np.greater, ">=": np.greater_equal, "<": np.less,
    "<=": np.less_equal,
}  # fmt: skip
SETS = frozenset({"and", "or", "unless"})


def combine(
    op: str,
    left: Value,
    right: Value,
    matching: Matching = EQUAL_LABELS,
    returns_bool: bool = False,
) -> Value:
    """`left op right`. A comparison keeps the samples of its left side for which it holds, or with
    `returns_bool` gives 1 and 0; between two numbers it always does. Raises QueryError."""
    with np.errstate(all="ignore"):
        if isinstance(left, Scalar) and isinstance(right, Scalar):
            return Scalar(_numbers(op, left.values, right.values))
        if isinstance(left, Matrix) and isinstance(right, Matrix):
            if op in SETS:
                return set_operation(op, left, right, matching)
            return _vectors(op, left, right, matching, returns_bool)
        if op in SETS:
            raise QueryError(f"{op} joins vectors, not numbers")
        if isinstance(left, Matrix):
            assert isinstance(right, Scalar)
            return _with_number(op, left, right.values, returns_bool, flipped=False)
        assert isinstance(right, Matrix)
        return _with_number(op, right, left.values, returns_bool, flipped=True)


def _numbers(op: str, left: Floats, right: Floats) -> Floats:
    if op in COMPARISONS:
        return COMPARISONS[op](left, right).astype(np.float64)
    if op not in ARITHMETIC:
        raise QueryError(f"{op} joins vectors, not numbers")
    return ARITHMETIC[op](left, right)


def _with_number(
    op: str, series: Matrix, number: Floats, returns_bool: bool, flipped: bool
) -> Matrix:
    """A vector and a number; `flipped`: the number stands on the left."""
    numbers = np.broadcast_to(number, series.values.shape)
    sides = (numbers, series.values) if flipped else (series.values, numbers)
    if op in COMPARISONS:
        holds = COMPARISONS[op](*sides)
        if not returns_bool:
            return _kept(series, holds)
        return _unnamed(series, holds.astype(np.float64), series.present, _none(series))
    variance = _scaled(op, series, numbers, flipped)
    return _unnamed(series, ARITHMETIC[op](*sides), series.present, variance)


def _kept(series: Matrix, holds: Bools) -> Matrix:
    return Matrix(series.labels, series.values, series.present & holds, series.variance)


def _unnamed(series: Matrix, values: Floats, present: Bools, variance: Floats | None) -> Matrix:
    return merged([without_name(one) for one in series.labels], values, present, variance)


def _none(series: Matrix) -> Floats | None:
    """The variance of what is no estimate if its operand was none."""
    exact = series.variance is not None and not series.variance.any()
    return np.zeros_like(series.values) if exact else None


def _scaled(op: str, series: Matrix, numbers: Floats, flipped: bool) -> Floats | None:
    """The variance after an operation with an exact number."""
    if series.variance is None or op in ("+", "-"):
        return series.variance
    if op == "*":
        return series.variance * numbers**2
    if op == "/" and not flipped:
        return np.where(numbers != 0, series.variance / numbers**2, 0.0)
    return _none(series)


def _vectors(
    op: str, left: Matrix, right: Matrix, matching: Matching, returns_bool: bool
) -> Matrix:
    keeps_name = op in COMPARISONS and not returns_bool
    pairs = joined(left, right, matching, keeps_name)
    one, other = left.values[pairs.left], right.values[pairs.right]
    present = left.present[pairs.left] & right.present[pairs.right]
    variance = _added(op, left, right, pairs.left, pairs.right)
    if op not in COMPARISONS:
        values = ARITHMETIC[op](one, other)
    elif returns_bool:
        values = COMPARISONS[op](one, other).astype(np.float64)
    else:
        # What is kept is the left side, also where the many are on the right.
        values, present = one, present & COMPARISONS[op](one, other)
        variance = None if left.variance is None else left.variance[pairs.left]
    pairs.check(present)
    return merged(pairs.labels, values, present, variance)


def _added(op: str, left: Matrix, right: Matrix, rows: Numbers, others: Numbers) -> Floats | None:
    """Independent estimates: the variance of a sum or a difference is the sum of both."""
    if left.variance is None or right.variance is None:
        return None
    total: Floats = left.variance[rows] + right.variance[others]
    return total if op in ("+", "-") or not total.any() else None
