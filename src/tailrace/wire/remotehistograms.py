"""Native histograms of remote write to the samples of classic ones.

    Histogram  { 1: uint64 count_int | 2: double count_float, 3: double sum, 4: sint32 schema,
                 5: double zero_threshold, 6: uint64 zero_count_int | 7: double zero_count_float,
                 8: BucketSpan* negative_spans, 9: sint64* deltas, 10: double* counts,
                 11: BucketSpan* positive_spans, 12: sint64* deltas, 13: double* counts,
                 14: reset_hint, 15: int64 milliseconds, 16: double* custom_values }
    BucketSpan { 1: sint32 offset, 2: uint32 length }

A span is so many buckets, `offset` beyond the end of the one before. Buckets of integers are sent
as the difference to the one before, those of floats as they are. With schema -53 they are numbered
by their place in `custom_values`, which are upper bounds; else wire/buckets.py says what they are.

Source: https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/ and
https://prometheus.io/docs/specs/native_histograms/; 1.0 and 2.0 have the same message.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

from tailrace.core import limits
from tailrace.core.errors import InputError, TooLarge
from tailrace.wire import series
from tailrace.wire.buckets import Buckets, Run, explicit, exponential, spelled
from tailrace.wire.messages import classes, parsed
from tailrace.wire.samplelines import STALE, is_stale, tails
from tailrace.wire.series import NAME, VALUE, Refused

_CUSTOM = -53
_Histogram = classes(
    "remote_histogram",
    {
        "BucketSpan": [("offset", 1, "sint32"), ("length", 2, "uint32")],
        "Histogram": [
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
            ("timestamp", 15, "int64"),
            ("custom_values", 16, "double*"),
        ],
    },
)["Histogram"]


class Native(NamedTuple):
    """Samples as `SampleLines` takes them: of the buckets by `bounds`, then sum and count."""

    bounds: list[float]
    heads: list[bytes]
    tails: list[bytes]


def native(labels: Mapping[str, str], kind: str, unit: str, data: bytes) -> Native:
    """One histogram of the series with these labels, of which one is its name.

    Raises Refused, and InputError ("protobuf").
    """
    if len(data) > limits.POINT_BYTES:
        raise Refused("buckets")
    sent = parsed(_Histogram, data)
    try:
        buckets = _buckets(sent)
    except TooLarge:
        raise Refused("buckets") from None
    except InputError:
        raise Refused("histogram") from None
    values = [float(total) for _, total in buckets] + [sent.sum, float(_count(sent))]
    if is_stale(sent.sum):
        values = [STALE] * len(values)
    ends = tails(values, sent.timestamp)
    bounds = [bound for bound, _ in buckets]
    return Native(bounds, _heads(labels, kind, unit, bounds), ends)


def _heads(labels: Mapping[str, str], kind: str, unit: str, bounds: Sequence[float]) -> list[bytes]:
    name = labels.get(NAME, "")
    plain = {one: value for one, value in labels.items() if one not in (NAME, "le")}
    last = series.head({NAME: f"{name}_bucket", **plain, "le": "+Inf"}, kind)
    start, end = last.removesuffix(b'+Inf"}' + VALUE), b'"}' + VALUE
    return [
        *(start + spelled(bound).encode() + end for bound in bounds),
        series.head({NAME: f"{name}_sum", **plain}, kind, unit),
        series.head({NAME: f"{name}_count", **plain}, kind),
    ]


def _buckets(sent: Any) -> Buckets:
    """Raises Refused, InputError and TooLarge."""
    zero, total = sent.zero_count_float or sent.zero_count_int, _count(sent)
    below = _counts(sent.negative_deltas, sent.negative_counts)
    above = _counts(sent.positive_deltas, sent.positive_counts)
    if not (zero >= 0 and total >= 0):
        raise Refused("histogram")
    if sent.schema == _CUSTOM:
        if zero or below:
            raise Refused("histogram")
        bounds = sent.custom_values[:]
        return explicit(bounds, _dense(_runs(sent.positive_spans, above), len(bounds) + 1), total)
    return exponential(
        sent.schema,
        _runs(sent.negative_spans, below, first=-1),
        (sent.zero_threshold, zero),
        _runs(sent.positive_spans, above, first=-1),
        total,
    )


def _count(sent: Any) -> float:
    found: float = sent.count_float or sent.count_int
    return found


def _counts(deltas: Sequence[int], counts: Sequence[float]) -> Sequence[float]:
    """Of each bucket. Raises Refused for one below zero, or that is no number."""
    found = counts[:] or list(accumulate(deltas))
    if not all(number >= 0 for number in found):
        raise Refused("histogram")
    return found


def _runs(spans: Sequence[Any], counts: Sequence[float], first: int = 0) -> Iterator[Run]:
    """The counts of each span; bucket 0 has the index `first`. Raises Refused."""
    index, place = first, 0
    for number, span in enumerate(spans):
        end = place + span.length
        if end > len(counts) or (number and span.offset < 0):
            raise Refused("histogram")
        index += span.offset
        yield index, counts[place:end]
        index, place = index + span.length, end
    if place != len(counts):
        raise Refused("histogram")


def _dense(runs: Iterator[Run], size: int) -> list[float]:
    """The counts of buckets 0 to `size`. Raises Refused where a run is beyond them."""
    found: list[float] = [0] * size
    for index, counts in runs:
        if index < 0 or index + len(counts) > size:
            raise Refused("histogram")
        found[index : index + len(counts)] = counts
    return found
