"""Matrices cut by steps, and put side by side again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tailrace.query.labels import Labels
from tailrace.query.matrix.matrix import Floats, Matrix


def columns(matrix: Matrix, start: int, stop: int) -> Matrix:
    """The steps from `start` to before `stop`, of all series; shares their memory."""
    return Matrix(
        matrix.labels,
        matrix.values[:, start:stop],
        matrix.present[:, start:stop],
        None if matrix.variance is None else matrix.variance[:, start:stop],
    )


def side_by_side(pieces: Sequence[Matrix]) -> Matrix:
    """The steps of each piece after those of the one before, of every series that any piece has.

    The series are in the order in which they come first. The variance is known where each piece
    with series knows it.
    """
    if len(pieces) == 1:
        return pieces[0]
    places: dict[Labels, int] = {}
    rows = [_places(piece, places) for piece in pieces]
    shape = (len(places), sum(piece.steps for piece in pieces))
    known = all(piece.variance is not None for piece in pieces if len(piece.labels))
    values = np.zeros(shape)
    present = np.zeros(shape, np.bool_)
    variance: Floats | None = np.zeros(shape) if known else None
    start = 0
    for piece, chosen in zip(pieces, rows, strict=True):
        stop = start + piece.steps
        values[chosen, start:stop] = piece.values
        present[chosen, start:stop] = piece.present
        if variance is not None and piece.variance is not None:
            variance[chosen, start:stop] = piece.variance
        start = stop
    return Matrix(list(places), values, present, variance)


def _places(piece: Matrix, places: dict[Labels, int]) -> NDArray[np.intp]:
    found = [places.setdefault(labels, len(places)) for labels in piece.labels]
    return np.array(found, np.intp)


def memory_bytes(matrix: Matrix) -> int:
    """About what a matrix holds in memory; labels are counted as objects."""
    arrays = matrix.values.nbytes + matrix.present.nbytes
    if matrix.variance is not None:
        arrays += matrix.variance.nbytes
    pairs = sum(len(name) + len(value) + 180 for row in matrix.labels for name, value in row)
    return arrays + pairs + 64 * len(matrix.labels)
