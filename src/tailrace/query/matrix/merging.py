"""Series that have come to the same labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tailrace.core.errors import QueryError
from tailrace.query.labels import Labels
from tailrace.query.matrix.groups import numbered
from tailrace.query.matrix.matrix import Bools, Floats, Matrix


def merged(
    labels: Sequence[Labels], values: Floats, present: Bools, variance: Floats | None
) -> Matrix:
    """A matrix of these series; those with the same labels are one, which has the samples of all.

    Raises QueryError where two of them have a sample at the same step.
    """
    found, numbers = numbered(labels)
    if len(found) == len(labels):
        return Matrix(labels, values, present, variance)
    shape = (len(found), values.shape[1])
    count = np.zeros(shape, np.int64)
    np.add.at(count, numbers, present)
    if (count > 1).any():
        twice = found[int(np.flatnonzero((count > 1).any(axis=1))[0])]
        raise QueryError(
            f"two series would have the same labels {dict(twice)} in the answer: match or group "
            "by more labels"
        )
    whole = np.zeros(shape)
    np.add.at(whole, numbers, np.where(present, values, 0.0))
    sure = None
    if variance is not None:
        sure = np.zeros(shape)
        np.add.at(sure, numbers, np.where(present, variance, 0.0))
    return Matrix(found, whole, count > 0, sure)
