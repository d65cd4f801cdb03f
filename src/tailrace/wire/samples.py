"""Samples of metrics as NDJSON, one a line: the payload of a frame whose signal is metrics.

    {"time": 1767000000000000000, "name": "system.cpu.utilization", "value": 0.25,
     "kind": "gauge", "unit": "1", "attributes": {"cpu": "0"}}

`time` is UTC nanoseconds. `kind` is "counter" for a sum that only goes up until its source starts
again, else "gauge". JSON has no numbers for some values: they are the strings "NaN", "+Inf" and
"-Inf". A histogram is its Prometheus series: NAME_bucket with `le`, NAME_sum, NAME_count.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

import msgspec

from tailrace.core import limits
from tailrace.core.errors import InputError

NAME_CHARACTERS = 255
_encoder = msgspec.json.Encoder()


class Sample(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """One value of one series. The series is the name, the attributes and the frame's resource."""

    time: int
    name: str
    value: float | Literal["NaN", "+Inf", "-Inf"]
    kind: Literal["gauge", "counter"] = "gauge"
    unit: str = ""
    attributes: dict[str, str] = {}


_decoder = msgspec.json.Decoder(Sample)


def encode(samples: Iterable[Sample]) -> bytes:
    """A line for each."""
    return b"".join(_encoder.encode(_finite(sample)) + b"\n" for sample in samples)


def check(data: bytes) -> None:
    """Raises InputError ("json", "field") that names the first line that is no sample."""
    for number, line in enumerate(data.splitlines(), 1):
        try:
            sample = _decoder.decode(line)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            raise InputError(f"line {number}: is no sample: {error}", "json") from error
        rules = {
            "time": 0 < sample.time < 2**63,
            "name": 0 < len(sample.name) <= NAME_CHARACTERS,
            "attributes": len(sample.attributes) <= limits.LABELS_PER_SERIES,
        }
        for field, holds in rules.items():
            if not holds:
                raise InputError(f"line {number}: {field} is out of bounds", "field")


def _finite(sample: Sample) -> Sample:
    value = sample.value
    if isinstance(value, str) or math.isfinite(value):
        return sample
    text: Literal["NaN", "+Inf", "-Inf"] = (
        "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    )
    return msgspec.structs.replace(sample, value=text)
