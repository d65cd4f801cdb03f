"""How sure an estimate from sampled rows is."""

from __future__ import annotations

import numpy as np

from tailrace.query.matrix.matrix import Floats, Matrix

# Of a normal distribution 95% lie within this many standard deviations.
_DEVIATIONS = 1.959963984540054


def interval(found: Matrix, row: int) -> tuple[Floats, Floats] | None:
    """The 95% interval of each value of a series; None where it is exact or nothing is known.

    A sum over sampled rows is the Horvitz-Thompson estimate, and nearly normal where it is of more
    than some tens of rows. Fewer than none cannot have been, so neither bound is below the sign of
    the value.
    """
    if found.variance is None or not found.variance[row].any():
        return None
    half = _DEVIATIONS * np.sqrt(found.variance[row])
    values = found.values[row]
    low, high = values - half, values + half
    low = np.where(values >= 0, np.maximum(low, 0), low)
    return low, np.where(values < 0, np.minimum(high, 0), high)


def is_estimate(found: Matrix) -> bool:
    """Whether any value is an estimate whose variance is known."""
    return found.variance is not None and bool(found.variance.any())


def relative_error(found: Matrix) -> float:
    """The largest half interval in parts of its value; 0 where all is exact or nothing is known."""
    if found.variance is None or not found.variance.size:
        return 0.0
    there = found.present & (found.values != 0)
    if not there.any():
        return 0.0
    half = _DEVIATIONS * np.sqrt(found.variance[there])
    return float((half / np.abs(found.values[there])).max())
