"""Answers in the shapes of Loki's HTTP API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tailrace.core import limits
from tailrace.query import envelope
from tailrace.query.logs.entries import CATEGORIZE, Entry, streams
from tailrace.query.matrix.confidence import interval
from tailrace.query.matrix.matrix import Matrix, Scalar, Value, as_matrix
from tailrace.query.numbers import number, unix_seconds
from tailrace.query.plan import Grid


def bare(data: object) -> bytes:
    """An answer without an envelope."""
    return msgspec.json.encode(data)


BUILD_INFO = bare(envelope.BUILD_INFO)


def drilldown_limits() -> bytes:
    """What Logs Drilldown asks before it shows anything."""
    return bare(
        {
            "limits": {
                "discover_log_levels": True,
                "discover_service_name": ["service_name"],
                "log_level_fields": ["level", "detected_level"],
                "max_entries_limit_per_query": limits.QUERY_ROWS,
                "max_line_size_truncate": False,
                "max_query_bytes_read": "0B",
                "max_query_length": "0s",
                "max_query_lookback": "0s",
                "max_query_range": "0s",
                "max_query_series": limits.QUERY_SERIES,
                "metric_aggregation_enabled": False,
                "otlp_config": {},
                "pattern_persistence_enabled": False,
                "query_timeout": f"{limits.QUERY_SECONDS}s",
                "retention_period": "0s",
                "retention_stream": [],
                "volume_enabled": True,
                "volume_max_series": limits.QUERY_SERIES,
            },
            "pattern_ingester_enabled": True,
            "version": "3.5.0",
        }
    )


def log_data(entries: Sequence[Entry], categorize: bool, seconds: float) -> dict[str, Any]:
    """`data` of a log query. `encodingFlags` must come before `result`."""
    data: dict[str, Any] = {"resultType": "streams"}
    if categorize:
        data["encodingFlags"] = [CATEGORIZE]
    data["result"] = streams(entries, categorize)
    data["stats"] = _stats(seconds, len(entries))
    return data


def matrix_data(value: Value, grid: Grid, seconds: float, confidence: bool) -> dict[str, Any]:
    """`data` of a metric range query; a scalar is a series without labels.

    With `confidence` each series of an estimate has the 95% interval of each of its values, too.
    """
    found = as_matrix(value).without_empty()
    times = [unix_seconds(grid.start_ns + i * grid.step_ns) for i in range(grid.steps)]
    result = [
        {
            "metric": dict(labels),
            "values": _pairs(times, found.values[row], found.present[row]),
            **(_confidence(found, row, times) if confidence else {}),
        }
        for labels, row in _sorted(found)
    ]
    return {"resultType": "matrix", "result": result, "stats": _stats(seconds, 0)}


def instant_data(
    value: Value, time_ns: int, seconds: float, confidence: bool, ordered: bool
) -> dict[str, Any]:
    """`data` of an instant metric query: a vector, or a scalar. `ordered`: as the query has put
    them, instead of by their labels."""
    stats = _stats(seconds, 0)
    time = unix_seconds(time_ns)
    if isinstance(value, Scalar):
        pair = [time, number(float(value.values[0]))]
        return {"resultType": "scalar", "result": pair, "stats": stats}
    rows = list(zip(value.labels, range(len(value.labels)), strict=True))
    result = [
        {
            "metric": dict(labels),
            "value": [time, number(float(value.values[row, 0]))],
            **(_confidence(value, row, [time]) if confidence else {}),
        }
        for labels, row in (rows if ordered else _sorted(value))
        if value.present[row, 0]
    ]
    return {"resultType": "vector", "result": result, "stats": stats}


def _sorted(found: Matrix) -> list[tuple[tuple[tuple[str, str], ...], int]]:
    return sorted((labels, row) for row, labels in enumerate(found.labels))


def _pairs(times: Sequence[float], values: Any, present: Any) -> list[list[Any]]:
    return [
        [time, number(value)]
        for time, value, there in zip(times, values.tolist(), present.tolist(), strict=True)
        if there
    ]


def _confidence(found: Matrix, row: int, times: Sequence[float]) -> Mapping[str, Any]:
    """`confidence`: `[time, "low", "high"]` of each value; nothing where it is exact or unknown."""
    bounds = interval(found, row)
    if bounds is None:
        return {}
    low, high = (side.tolist() for side in bounds)
    return {
        "confidence": [
            [time, number(a), number(b)]
            for time, a, b, there in zip(times, low, high, found.present[row], strict=True)
            if there
        ]
    }


def _stats(seconds: float, entries: int) -> dict[str, Any]:
    return {"summary": {"execTime": seconds, "totalEntriesReturned": entries}}
