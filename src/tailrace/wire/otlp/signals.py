"""The three signals of OTLP: each has a request, a path and a frame of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tailrace.core.frame import Signal
from tailrace.wire.otlp import logs, metrics, traces
from tailrace.wire.otlp.kept import Export

Decode = Callable[[bytes], Export]


class Kind(NamedTuple):
    """`signal`: of the frames; `protobuf` and `json` decode a request."""

    signal: Signal
    protobuf: Decode
    json: Decode


# By the last part of the path, which is also what the answers go by.
KINDS = {
    "logs": Kind(Signal.LOGS, logs.decode_protobuf, logs.decode_json),
    "metrics": Kind(Signal.METRICS, metrics.decode_protobuf, metrics.decode_json),
    "traces": Kind(Signal.SPANS, traces.decode_protobuf, traces.decode_json),
}
PROTOBUF = {kind.signal: kind.protobuf for kind in KINDS.values()}
