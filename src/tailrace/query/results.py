"""Values of a metric query in the shapes that the HTTP APIs of Loki and Prometheus share.

{"resultType": "matrix", "result": [{"metric": {...}, "values": [[seconds, "1.5"], ...]}, ...]}
{"resultType": "vector", "result": [{"metric": {...}, "value": [seconds, "1.5"]}, ...]}
{"resultType": "scalar", "result": [seconds, "1.5"]}
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tailrace.query.labels import Labels
from tailrace.query.matrix.matrix import Matrix, Scalar, Value, as_matrix
from tailrace.query.numbers import number, unix_seconds
from tailrace.query.plan import Grid

# What one API says of a series besides: of a row of the matrix, at these times.
Beside = Callable[[Matrix, int, Sequence[float]], Mapping[str, Any]]


def scalar(value: Scalar, time_ns: int) -> dict[str, Any]:
    """`data` of a number at one time."""
    pair = [unix_seconds(time_ns), number(float(value.values[0]))]
    return {"resultType": "scalar", "result": pair}


def vector(
    found: Matrix, time_ns: int, ordered: bool, beside: Beside | None = None
) -> dict[str, Any]:
    """`data` of series at one time. `ordered`: as the query has put them, instead of by their
    labels."""
    time = unix_seconds(time_ns)
    values, present = found.values[:, 0].tolist(), found.present[:, 0].tolist()
    rows = range(len(found.labels)) if ordered else by_labels(found.labels)
    result = [
        {
            "metric": dict(found.labels[row]),
            "value": [time, number(values[row])],
            **(beside(found, row, [time]) if beside else {}),
        }
        for row in rows
        if present[row]
    ]
    return {"resultType": "vector", "result": result}


def matrix(value: Value, on: Grid, beside: Beside | None = None) -> dict[str, Any]:
    """`data` of series over a range; a number is a series without labels."""
    found = as_matrix(value)
    times = [unix_seconds(on.start_ns + step * on.step_ns) for step in range(on.steps)]
    result = []
    for row in by_labels(found.labels):
        values = found.values[row].tolist()
        pairs = [[times[n], number(values[n])] for n in np.flatnonzero(found.present[row]).tolist()]
        if pairs:
            more = beside(found, row, times) if beside else {}
            result.append({"metric": dict(found.labels[row]), "values": pairs, **more})
    return {"resultType": "matrix", "result": result}


def by_labels(labels: Sequence[Labels]) -> Iterable[int]:
    """The numbers of series in the order of their labels."""
    return sorted(range(len(labels)), key=lambda row: labels[row])
