"""Answers in the shapes of Loki's HTTP API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tailrace.core import limits
from tailrace.query import envelope, results
from tailrace.query.logs.entries import CATEGORIZE, Entry, streams
from tailrace.query.matrix.confidence import interval
from tailrace.query.matrix.matrix import Matrix, Scalar, Value
from tailrace.query.numbers import number
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
    """`data` of a metric range query.

    With `confidence` each series of an estimate has the 95% interval of each of its values, too.
    """
    beside = _confidence if confidence else None
    return {**results.matrix(value, grid, beside), "stats": _stats(seconds, 0)}


def instant_data(
    value: Value, time_ns: int, seconds: float, confidence: bool, ordered: bool
) -> dict[str, Any]:
    """`data` of an instant metric query: a vector, or a scalar. `ordered`: as the query has put
    them, instead of by their labels."""
    if isinstance(value, Scalar):
        return {**results.scalar(value, time_ns), "stats": _stats(seconds, 0)}
    beside = _confidence if confidence else None
    return {**results.vector(value, time_ns, ordered, beside), "stats": _stats(seconds, 0)}


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
