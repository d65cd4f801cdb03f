"""Answers in the shapes of Loki's HTTP API."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import msgspec

from tailrace.query.labels import merged, metadata, stream
from tailrace.query.plan import Grid
from tailrace.query.vectors import Scalar, Series, Value

CATEGORIZE = "categorize-labels"
Rows = list[tuple[Any, ...]]


def encode(data: object) -> bytes:
    """`{"status":"success","data":...}`."""
    return msgspec.json.encode({"status": "success", "data": data})


def streams(rows: Rows, categorize: bool) -> list[dict[str, Any]]:
    """Rows of plan.ROW_COLUMNS grouped by label set, each group in the rows' order."""
    groups: dict[tuple[tuple[str, str], ...], list[Any]] = {}
    for nanoseconds, body, service, host, severity, resource, trace, span, attributes in rows:
        labels = stream(service, host, severity, resource)
        extra = metadata(severity, trace, span, attributes)
        entry: list[Any] = [str(nanoseconds), body]
        if categorize:
            entry.append({"structuredMetadata": extra, "parsed": {}})
        else:
            labels = merged(labels, extra)
        groups.setdefault(tuple(labels.items()), []).append(entry)
    return [{"stream": dict(labels), "values": values} for labels, values in groups.items()]


def log_data(rows: Rows, categorize: bool, seconds: float) -> dict[str, Any]:
    """`data` of a log query. `encodingFlags` must come before `result`."""
    data: dict[str, Any] = {"resultType": "streams"}
    if categorize:
        data["encodingFlags"] = [CATEGORIZE]
    data["result"] = streams(rows, categorize)
    data["stats"] = _stats(seconds, len(rows))
    return data


def matrix_data(value: Value, grid: Grid, seconds: float) -> dict[str, Any]:
    """`data` of a metric range query; a scalar is a series without labels."""
    series: Series = {(): [value.value] * grid.steps} if isinstance(value, Scalar) else value
    times = [unix_seconds(grid.start_ns + i * grid.step_ns) for i in range(grid.steps)]
    result = [
        {
            "metric": dict(labels),
            "values": [
                [time, number(v)] for time, v in zip(times, values, strict=True) if v is not None
            ],
        }
        for labels, values in sorted(series.items())
        if any(v is not None for v in values)
    ]
    return {"resultType": "matrix", "result": result, "stats": _stats(seconds, 0)}


def instant_data(value: Value, time_ns: int, seconds: float) -> dict[str, Any]:
    """`data` of an instant metric query: a vector, or a scalar."""
    stats = _stats(seconds, 0)
    time = unix_seconds(time_ns)
    if isinstance(value, Scalar):
        return {"resultType": "scalar", "result": [time, number(value.value)], "stats": stats}
    result = [
        {"metric": dict(labels), "value": [time, number(values[0])]}
        for labels, values in sorted(value.items())
        if values[0] is not None
    ]
    return {"resultType": "vector", "result": result, "stats": stats}


def number(value: float) -> str:
    """A sample's value: shortest decimal text, never with an exponent."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return format(Decimal(repr(value)), "f")


def unix_seconds(nanoseconds: int) -> int | float:
    """A time as both APIs write it, to the millisecond."""
    whole, rest = divmod(nanoseconds, 1_000_000_000)
    return whole if rest == 0 else round(nanoseconds / 1e9, 3)


def _stats(seconds: float, entries: int) -> dict[str, Any]:
    return {"summary": {"execTime": seconds, "totalEntriesReturned": entries}}
