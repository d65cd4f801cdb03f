"""Requests of Prometheus remote write, as a protobuf library writes and reads them."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tailrace.core import sample
from tailrace.core.sample import Sample
from tailrace.wire import samples
from tailrace.wire.messages import classes
from tailrace.wire.remoteparts import Written

STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
TIME_MS = 1_790_000_000_000
_SPAN = [("offset", 1, "sint32"), ("length", 2, "uint32")]
_HISTOGRAM = [
    ("count_int", 1, "uint64"),
    ("count_float", 2, "double"),
    ("sum", 3, "double"),
    ("schema", 4, "sint32"),
    ("zero_threshold", 5, "double"),
    ("zero_count_int", 6, "uint64"),
    ("zero_count_float", 7, "double"),
    ("negative_spans", 8, "BucketSpan*"),
    ("negative_deltas", 9, "sint64*"),
    ("negative_counts", 10, "double*"),
    ("positive_spans", 11, "BucketSpan*"),
    ("positive_deltas", 12, "sint64*"),
    ("positive_counts", 13, "double*"),
    ("reset_hint", 14, "int32"),
    ("timestamp", 15, "int64"),
    ("custom_values", 16, "double*"),
    ("start_timestamp", 17, "int64"),
]
_VALUE = [("value", 2, "double"), ("timestamp", 3, "int64")]
V1 = classes(
    "test_remote_write",
    {
        "Label": [("name", 1, "bytes"), ("value", 2, "bytes")],
        "Sample": [("value", 1, "double"), ("timestamp", 2, "int64")],
        "Exemplar": [("labels", 1, "Label*"), *_VALUE],
        "BucketSpan": _SPAN,
        "Histogram": _HISTOGRAM,
        "TimeSeries": [
            ("labels", 1, "Label*"),
            ("samples", 2, "Sample*"),
            ("exemplars", 3, "Exemplar*"),
            ("histograms", 4, "Histogram*"),
        ],
        "WriteRequest": [("timeseries", 1, "TimeSeries*"), ("metadata", 3, "bytes*")],
    },
)
V2 = classes(
    "test_remote_write_2",
    {
        "Sample": [("value", 1, "double"), ("timestamp", 2, "int64")],
        "Exemplar": [("labels_refs", 1, "uint32*"), *_VALUE],
        "Metadata": [("type", 1, "int32"), ("help_ref", 3, "uint32"), ("unit_ref", 4, "uint32")],
        "BucketSpan": _SPAN,
        "Histogram": _HISTOGRAM,
        "TimeSeries": [
            ("labels_refs", 1, "uint32*"),
            ("samples", 2, "Sample*"),
            ("histograms", 3, "Histogram*"),
            ("exemplars", 4, "Exemplar*"),
            ("metadata", 5, "Metadata"),
            ("created_timestamp", 6, "int64"),
        ],
        "Request": [("symbols", 4, "bytes*"), ("timeseries", 5, "TimeSeries*")],
    },
)
Value = tuple[float, int]


def series(request: Any, labels: Mapping[str, str], values: Iterable[Value] = ()) -> Any:
    """A series in a request of 1.0; values are (number, milliseconds)."""
    one = request.timeseries.add()
    for name, value in labels.items():
        one.labels.add(name=name.encode(), value=value.encode())
    for number, time_ms in values:
        one.samples.add(value=number, timestamp=time_ms)
    return one


def request(labels: Mapping[str, str], values: Iterable[Value]) -> bytes:
    """A request of 1.0 with one series."""
    found = V1["WriteRequest"]()
    series(found, labels, values)
    data: bytes = found.SerializeToString()
    return data


def series2(request: Any, labels: Mapping[str, str], values: Iterable[Value] = ()) -> Any:
    """A series in a request of 2.0."""
    one = request.timeseries.add()
    for text in (text for pair in labels.items() for text in pair):
        one.labels_refs.append(symbol(request, text))
    for number, time_ms in values:
        one.samples.add(value=number, timestamp=time_ms)
    return one


def symbol(request: Any, text: str) -> int:
    """The reference of a text, which is added when it is new; "" is 0."""
    if not request.symbols:
        request.symbols.append(b"")
    known: list[bytes] = list(request.symbols)
    if text.encode() not in known:
        request.symbols.append(text.encode())
        known.append(text.encode())
    return known.index(text.encode())


def read(written: Written) -> list[Sample]:
    """The samples, in order, which must pass the check of frames that agents send."""
    found: list[Sample] = []
    for content in written.contents:
        samples.check(content.data)
        lines = content.data.splitlines()
        assert content.rows == len(lines)
        found += map(sample.decode, lines)
    assert written.histograms or written.samples == len(found)
    return found


def rows(found: Sequence[Sample]) -> list[str]:
    """Samples in a form that can be sorted and compared, NaN too."""
    return sorted(
        json.dumps([one.name, sorted(one.attributes.items()), str(one.value), one.time, one.stale])
        for one in found
    )


def row(labels: Mapping[str, str], number: float, time_ms: int) -> str:
    """The same of what was sent."""
    attributes = {name: value for name, value in labels.items() if value}
    name = attributes.pop("__name__")
    stale = struct.pack("<d", number) == struct.pack("<d", STALE)
    text = "NaN" if math.isnan(number) else str(number)
    if math.isinf(number):
        text = "+Inf" if number > 0 else "-Inf"
    return json.dumps([name, sorted(attributes.items()), text, time_ms * 1_000_000, stale])
