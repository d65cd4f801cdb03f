"""One sample of a metric: the row of a frame whose signal is metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from tailrace.core import limits, rows

NAME_CHARACTERS = 255
_Key = Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_CHARACTERS)]
_Id = Annotated[str, msgspec.Meta(max_length=NAME_CHARACTERS)]
_Value = Annotated[str, msgspec.Meta(max_length=limits.LABEL_VALUE_BYTES)]

# Of a resource what changes when its process starts again, or says how the data travelled.
NO_LABELS = ("process.", "log.", "sampling.", "telemetry.")


def labels_of(resource: Mapping[str, str]) -> dict[str, str]:
    """What of a resource becomes labels of its series."""
    return {
        name: value for name, value in resource.items() if value and not name.startswith(NO_LABELS)
    }


class Exemplar(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False
):
    """A measurement that a sample counts, and the trace that it was made in."""

    time: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    value: float | Literal["NaN", "+Inf", "-Inf"]
    trace_id: _Id = ""
    span_id: _Id = ""
    attributes: Annotated[
        dict[_Key, _Value], msgspec.Meta(max_length=limits.LABELS_PER_SERIES)
    ] = {}


class Sample(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """One value of one series. The series is the name, the attributes and the frame's resource.

    `time` is UTC nanoseconds. `kind` is "counter" for a sum that only goes up until its source
    starts again. `stale`: the series has ended, by Prometheus' marker, and the value is "NaN". Of
    the bounds here only a decoder takes notice.
    """

    time: Annotated[int, msgspec.Meta(gt=0, le=2**63 - 1)]
    name: _Key
    value: float | Literal["NaN", "+Inf", "-Inf"]
    kind: Literal["gauge", "counter"] = "gauge"
    unit: Annotated[str, msgspec.Meta(max_length=NAME_CHARACTERS)] = ""
    attributes: Annotated[
        dict[_Key, _Value], msgspec.Meta(max_length=limits.LABELS_PER_SERIES)
    ] = {}
    exemplars: Annotated[list[Exemplar], msgspec.Meta(max_length=limits.EXEMPLARS_PER_SAMPLE)] = []
    stale: bool = False


decoder = msgspec.json.Decoder(Sample)


def decode(line: bytes) -> Sample:
    """The sample of one line. Raises InputError ("json" when it is none, "field" for a bound)."""
    return rows.decode(decoder, line, "sample")
