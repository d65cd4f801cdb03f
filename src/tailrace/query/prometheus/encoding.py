"""Answers in the shapes of Prometheus' HTTP API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from tailrace.query.labels import Labels
from tailrace.query.numbers import number, unix_seconds
from tailrace.query.promql.points import Points
from tailrace.query.promql.tokens import MS
from tailrace.query.results import by_labels


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


def string(value: str, time_ns: int) -> dict[str, Any]:
    """`data` of a text."""
    return {"resultType": "string", "result": [unix_seconds(time_ns), value]}


def samples(labels: Sequence[Labels], found: Points) -> dict[str, Any]:
    """`data` of the single samples in a range."""
    values: list[list[list[Any]]] = [[] for _ in labels]
    rows = zip(found.places.tolist(), found.times.tolist(), found.values.tolist(), strict=True)
    for place, time_ms, value in rows:
        values[place].append([unix_seconds(time_ms * MS), number(value)])
    result = [
        {"metric": dict(labels[row]), "values": values[row]}
        for row in by_labels(labels)
        if values[row]
    ]
    return {"resultType": "matrix", "result": result}
