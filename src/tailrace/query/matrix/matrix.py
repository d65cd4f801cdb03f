"""Series on a grid of times: one array for all of them.

A step where a series has no sample is absent, which is not the same as NaN, a value like others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tailrace.query.labels import Labels

Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Matrix:
    """Series `labels[i]` with `values[i, step]` where `present[i, step]`.

    Label sets are unique; their order is that of the answer. `values` and `present` have the shape
    (series, steps) and must not be changed; a value that is absent may be anything. `variance` is
    that of an estimate from sampled rows, of the same shape; None where it is not known, and all
    zero where nothing was sampled.
    """

    labels: Sequence[Labels]
    values: Floats
    present: Bools
    variance: Floats | None = None

    @property
    def steps(self) -> int:
        return int(self.values.shape[1])

    def without_empty(self) -> Matrix:
        """The series that have a sample at any step."""
        kept = self.present.any(axis=1)
        return self if kept.all() else self.rows(np.flatnonzero(kept))

    def rows(self, chosen: NDArray[np.intp]) -> Matrix:
        """The series with these numbers, in this order."""
        return Matrix(
            [self.labels[i] for i in chosen],
            self.values[chosen],
            self.present[chosen],
            None if self.variance is None else self.variance[chosen],
        )


@dataclass(frozen=True, eq=False)
class Scalar:
    """One number at every step, without labels; not a series. `values` has the shape (steps,)."""

    values: Floats


Value: TypeAlias = Scalar | Matrix


def constant(value: float, steps: int) -> Scalar:
    """The same number at every step."""
    return Scalar(np.full(steps, value, np.float64))


def as_matrix(value: Value) -> Matrix:
    """Series as they are; a number as one without labels."""
    if isinstance(value, Matrix):
        return value
    values = value.values.reshape(1, -1)
    return Matrix([()], values, np.ones(values.shape, np.bool_))


def nothing(steps: int) -> Matrix:
    """No series."""
    shape = (0, steps)
    return Matrix([], np.empty(shape), np.empty(shape, np.bool_), np.empty(shape))


def matrix_of(series: Mapping[Labels, Sequence[float | None]], steps: int) -> Matrix:
    """From values per step, None where there is no sample; nothing is sampled."""
    if not series:
        return nothing(steps)
    rows: list[list[Any]] = [list(values) for values in series.values()]
    present = np.array([[v is not None for v in row] for row in rows], np.bool_)
    values = np.array([[0.0 if v is None else v for v in row] for row in rows], np.float64)
    return Matrix(list(series), values, present, np.zeros_like(values))
