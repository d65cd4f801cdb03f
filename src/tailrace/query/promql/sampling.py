"""A part of the series, always the same one."""

from __future__ import annotations

import numpy as np
import xxhash

from tailrace.query.labels import Labels
from tailrace.query.matrix.matrix import Floats, Matrix


def part(vector: Matrix, ratio: Floats) -> Matrix:
    """Of all series about `ratio`, by their labels; of a negative one those that `1 + ratio` leaves
    out. `(steps,)`."""
    places = np.array([_place(labels) for labels in vector.labels]).reshape(-1, 1)
    kept = np.where(ratio >= 0, places < ratio, places >= 1.0 + ratio)
    return Matrix(vector.labels, vector.values, vector.present & kept).without_empty()


def _place(labels: Labels) -> float:
    """From 0 to below 1."""
    text = "\xff".join(part for pair in labels for part in pair)
    return xxhash.xxh64_intdigest(text.encode("utf-8", "surrogatepass")) / 2**64
