"""Answers in the shapes of Prometheus' HTTP API."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from tailrace.query.labels import Labels
from tailrace.query.matrix.matrix import Matrix, Scalar, Value, as_matrix
from tailrace.query.numbers import number, unix_seconds
from tailrace.query.plan import Grid
from tailrace.query.promql.points import Points
from tailrace.query.promql.tokens import MS


@dataclass(frozen=True)
class Reply:
    """Data, and what is to be said beside it."""

    data: object
    infos: Sequence[str] = ()
    warnings: Sequence[str] = ()


def envelope(found: object) -> bytes:
    """`{"status":"success","data":...}`, with infos and warnings where there are any."""
    reply = found if isinstance(found, Reply) else Reply(found)
    body: dict[str, object] = {"status": "success", "data": reply.data}
    for name in ("warnings", "infos"):
        if texts := getattr(reply, name):
            body[name] = list(texts)
    return msgspec.json.encode(body)


def scalar(value: Scalar, time_ns: int) -> dict[str, Any]:
    """`data` of a number at one time."""
    pair = [unix_seconds(time_ns), number(float(value.values[0]))]
    return {"resultType": "scalar", "result": pair}


def string(value: str, time_ns: int) -> dict[str, Any]:
    """`data` of a text."""
    return {"resultType": "string", "result": [unix_seconds(time_ns), value]}


def vector(found: Matrix, time_ns: int, ordered: bool) -> dict[str, Any]:
    """`data` of series at one time. `ordered`: as the query has put them, instead of by their
    labels."""
    time = unix_seconds(time_ns)
    values, present = found.values[:, 0].tolist(), found.present[:, 0].tolist()
    rows = range(len(found.labels)) if ordered else _by_labels(found.labels)
    result = [
        {"metric": dict(found.labels[row]), "value": [time, number(values[row])]}
        for row in rows
        if present[row]
    ]
    return {"resultType": "vector", "result": result}


def matrix(value: Value, on: Grid) -> dict[str, Any]:
    """`data` of series over a range; a number is a series without labels."""
    found = as_matrix(value)
    times = [unix_seconds(on.start_ns + step * on.step_ns) for step in range(on.steps)]
    result = []
    for row in _by_labels(found.labels):
        values = found.values[row].tolist()
        pairs = [[times[n], number(values[n])] for n in np.flatnonzero(found.present[row]).tolist()]
        if pairs:
            result.append({"metric": dict(found.labels[row]), "values": pairs})
    return {"resultType": "matrix", "result": result}


def samples(labels: Sequence[Labels], found: Points) -> dict[str, Any]:
    """`data` of the single samples in a range."""
    values: list[list[list[Any]]] = [[] for _ in labels]
    rows = zip(found.places.tolist(), found.times.tolist(), found.values.tolist(), strict=True)
    for place, time_ms, value in rows:
        values[place].append([unix_seconds(time_ms * MS), number(value)])
    result = [
        {"metric": dict(labels[row]), "values": values[row]}
        for row in _by_labels(labels)
        if values[row]
    ]
    return {"resultType": "matrix", "result": result}


def _by_labels(labels: Sequence[Labels]) -> Iterable[int]:
    return sorted(range(len(labels)), key=lambda row: labels[row])
