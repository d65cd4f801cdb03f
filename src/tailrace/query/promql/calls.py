"""Functions of vectors and numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from tailrace.query.bounds.question import remark
from tailrace.query.labels import Labels
from tailrace.query.matrix.groups import without_name
from tailrace.query.matrix.matrix import Floats, Matrix, Scalar, Value, nothing
from tailrace.query.matrix.merging import merged
from tailrace.query.matrix.order import ordered
from tailrace.query.matrix.relabel import label_join, label_replace
from tailrace.query.promql import histograms, maths
from tailrace.query.promql.functions import DATES, MATHS, OF_HISTOGRAMS

_MENDED = (
    "some histograms had a bucket that held less than a smaller one; the smaller one's count was "
    "taken for it"
)
_DIGITS = re.compile(r"([0-9]+)")


def call(name: str, given: Sequence[Value | str], seconds: Floats) -> Value:
    """The value of a function whose arguments are `given`; `seconds` are the times of the
    steps. Raises QueryError."""
    vector = next((one for one in given if isinstance(one, Matrix)), None)
    numbers = [one.values for one in given if isinstance(one, Scalar)]
    texts = [one for one in given if isinstance(one, str)]
    steps = len(seconds)
    if name == "vector":
        return Matrix([()], numbers[0].reshape(1, -1), np.ones((1, steps), np.bool_))
    if name in DATES:
        if vector is None:
            return Matrix([()], maths.date(name, seconds).reshape(1, -1),
                          np.ones((1, steps), np.bool_))  # fmt: skip
        return _unnamed(vector, maths.date(name, vector.values))
    assert vector is not None, "the parser knows what takes a vector"
    if name in OF_HISTOGRAMS:
        return nothing(steps)
    if name == "scalar":
        return _scalar(vector)
    if name.startswith("sort"):
        return _sorted(name, vector, texts)
    if name.startswith("label_"):
        return _relabelled(name, vector, texts)
    if name.startswith("histogram_"):
        return _histogram(name, vector, numbers)
    with np.errstate(all="ignore"):
        return _of_numbers(name, vector, numbers)


def _unnamed(vector: Matrix, values: Floats) -> Matrix:
    return merged(list(map(without_name, vector.labels)), values, vector.present, None)


def _of_numbers(name: str, vector: Matrix, numbers: Sequence[Floats]) -> Matrix:
    values = vector.values
    if name in MATHS:
        return _unnamed(vector, maths.MATHS[name](values))
    if name == "round":
        to = numbers[0] if numbers else np.ones(vector.steps)
        return _unnamed(vector, maths.rounded(values, to[None, :]))
    low = numbers[0] if name != "clamp_max" else np.full(vector.steps, -np.inf)
    high = numbers[-1] if name != "clamp_min" else np.full(vector.steps, np.inf)
    # A limit of NaN makes every value NaN.
    found = np.maximum(low[None, :], np.minimum(high[None, :], values))
    present = vector.present & ~(low > high)[None, :]
    return _unnamed(Matrix(vector.labels, values, present), found).without_empty()


def _scalar(vector: Matrix) -> Scalar:
    """The only sample of each step; NaN where there is none or several."""
    alone = vector.present.sum(axis=0) == 1
    with np.errstate(invalid="ignore"):
        total = np.where(vector.present, vector.values, 0.0).sum(axis=0)
    return Scalar(np.where(alone, total, np.nan))


def _sorted(name: str, vector: Matrix, texts: Sequence[str]) -> Matrix:
    if name in ("sort", "sort_desc"):
        return ordered(vector, descending=name == "sort_desc")
    if vector.steps != 1:
        return vector
    rows = sorted(range(len(vector.labels)), key=lambda row: _natural(vector.labels[row], texts))
    if name == "sort_by_label_desc":
        rows.reverse()
    return vector.rows(np.array(rows, np.intp))


def _natural(labels: Labels, names: Sequence[str]) -> tuple[object, ...]:
    """By the values of these labels, then by all; numbers in them by their size."""
    known = dict(labels)
    return (*(_parts(known.get(name, "")) for name in names), _pairs(known))


def _parts(text: str) -> tuple[tuple[int, str], ...]:
    return tuple(
        (int(part), part) if number % 2 else (-1, part)
        for number, part in enumerate(_DIGITS.split(text[:200]))
    )


def _pairs(labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(labels.items()))


def _relabelled(name: str, vector: Matrix, texts: Sequence[str]) -> Matrix:
    if name == "label_join":
        return label_join(vector, texts[0], texts[1], texts[2:])
    destination, replacement, source, pattern = texts
    return label_replace(vector, destination, replacement, source, pattern, any_name=True)


def _histogram(name: str, vector: Matrix, numbers: Sequence[Floats]) -> Matrix:
    if name == "histogram_quantile":
        found, mended = histograms.histogram_quantile(vector, numbers[0])
    else:
        found, mended = histograms.histogram_fraction(vector, numbers[0], numbers[1])
    if mended:
        remark(_MENDED)
    return found
