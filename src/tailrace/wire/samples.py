"""Samples of metrics as NDJSON, one a line: the payload of a frame whose signal is metrics.

    {"time": 1767000000000000000, "name": "system.cpu.utilization", "value": 0.25,
     "kind": "gauge", "unit": "1", "attributes": {"cpu": "0"}}

`time` is UTC nanoseconds. `kind` is "counter" for a sum that only goes up until its source starts
again, else "gauge". JSON has no numbers for some values: they are the strings "NaN", "+Inf" and
"-Inf", and `"stale": true` beside "NaN" is the marker by which Prometheus ends a series. A
histogram is its Prometheus series: NAME_bucket with `le`, NAME_sum, NAME_count. `exemplars` are
measurements with the traces that they were made in: `time`, `value`, `trace_id`, `span_id`,
`attributes`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

import msgspec

from tailrace.core.sample import NAME_CHARACTERS, Exemplar, Sample, decoder
from tailrace.wire import ndjson

__all__ = ["NAME_CHARACTERS", "Exemplar", "Sample", "check", "encode"]

Number = float | Literal["NaN", "+Inf", "-Inf"]
_encoder = msgspec.json.Encoder()


def encode(samples: Iterable[Sample]) -> bytes:
    """A line for each."""
    return b"".join(_encoder.encode(_finite(sample)) + b"\n" for sample in samples)


def check(data: bytes) -> None:
    """Raises InputError ("json", "field") that names the first line that is no sample."""
    ndjson.check(decoder, data, "sample")


def _finite(sample: Sample) -> Sample:
    if not _is_finite(sample.value):
        sample = msgspec.structs.replace(sample, value=_spoken(sample.value))
    if all(_is_finite(exemplar.value) for exemplar in sample.exemplars):
        return sample
    exemplars = [
        msgspec.structs.replace(exemplar, value=_spoken(exemplar.value))
        for exemplar in sample.exemplars
    ]
    return msgspec.structs.replace(sample, exemplars=exemplars)


def _is_finite(value: Number) -> bool:
    return isinstance(value, str) or math.isfinite(value)


def _spoken(value: Number) -> Number:
    """A value as JSON can say it."""
    if isinstance(value, str) or math.isfinite(value):
        return value
    if math.isnan(value):
        return "NaN"
    return "+Inf" if value > 0 else "-Inf"
