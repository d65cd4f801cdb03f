"""Random OTLP requests, and the JSON of a request by the protobuf library."""

from __future__ import annotations

import base64
import json
import random
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tailrace.wire.otlp import logs, metrics, traces

REQUESTS: dict[str, type[Message]] = {
    "logs": ExportLogsServiceRequest,
    "metrics": ExportMetricsServiceRequest,
    "traces": ExportTraceServiceRequest,
}
DECODERS = {"logs": logs, "metrics": metrics, "traces": traces}
NOW = 1_790_000_000_000_000_001
IDS = {"trace_id": 16, "span_id": 8, "parent_span_id": 8}
TEXTS = (
    "",
    "a",
    "service.name",
    "WARN",
    "ü\u2028😀",
    'q"\\\n',
    "n\0ul",
    "x" * 60,
    "y" * 130,
    "z" * 300,
)
DOUBLES = (0.0, -0.0, 1.5, -2.0, 1e300, float("nan"), float("inf"), float("-inf"))
INTEGERS = (0, 1, 5, 127, 128, 300, 2**31 - 1)
# Of older and newer versions of the protocol, or not for exporters.
SKIPPED = {"string_value_strindex", "key_strindex", "entity_refs"}
_DEEPEST = 14


def filled(signal: str, seed: int) -> Message:
    """A request with random values in all kinds of fields."""
    request = REQUESTS[signal]()
    _fill(request, random.Random(seed), 0)
    return request


def _fill(message: Message, chance: random.Random, depth: int) -> None:
    taken: set[str] = set()
    for field in message.DESCRIPTOR.fields:
        oneof = field.containing_oneof.name if field.containing_oneof else ""
        if field.name in SKIPPED or (oneof and oneof in taken) or chance.random() < 0.06:
            continue
        if oneof == "data" and chance.random() < 0.5:
            taken.add(oneof)
            _put(message, chance.choice(field.containing_oneof.fields), chance, depth)
            continue
        if oneof and chance.random() < 0.5:
            continue
        taken |= {oneof} - {""}
        number = chance.choice((0, 1, 1, 1, 2, 2)) if field.is_repeated else 1
        for _ in range(number):
            _put(message, field, chance, depth)
    if message.DESCRIPTOR.name == "HistogramDataPoint" and chance.random() < 0.8:
        _fit(message, chance)


def _fit(histogram: Any, chance: random.Random) -> None:
    """Bounds and counts that belong together."""
    histogram.explicit_bounds[:] = sorted(chance.sample((-5.0, 0.0, 0.1, 2.5, 10.0), 3))
    histogram.bucket_counts[:] = [chance.randrange(9) for _ in range(4)]


def _put(message: Message, field: FieldDescriptor, chance: random.Random, depth: int) -> None:
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        if depth < _DEEPEST:
            target = getattr(message, field.name)
            inner = target.add() if field.is_repeated else target
            inner.SetInParent()
            _fill(inner, chance, depth + 1)
        return
    value = _scalar(field, chance)
    if field.is_repeated:
        getattr(message, field.name).append(value)
    else:
        setattr(message, field.name, value)


def _scalar(field: FieldDescriptor, chance: random.Random) -> Any:
    if field.name in IDS:
        size = IDS[field.name]
        return chance.choice([chance.randbytes(size)] * 12 + [b"", bytes(size), b"abc"])
    if field.name.endswith("time_unix_nano"):
        return chance.choice([NOW] * 20 + [0, 2**63, 2**64 - 1])
    if field.type == FieldDescriptor.TYPE_ENUM:
        return chance.choice([value.number for value in field.enum_type.values])
    if field.name in ("scale", "flags"):
        return chance.choice((0, 0, 0, 2, 20, 99)) if field.name == "scale" else 0
    if field.name in ("key", "name") and chance.random() < 0.9:
        return chance.choice(("a", "b", "service.name", "ü", "x" * 60, "y" * 130))
    kinds: dict[int, Any] = {
        FieldDescriptor.TYPE_STRING: TEXTS,
        FieldDescriptor.TYPE_BYTES: (b"", b"\0\xff", b"bytes"),
        FieldDescriptor.TYPE_DOUBLE: DOUBLES,
        FieldDescriptor.TYPE_BOOL: (False, True),
    }
    value = chance.choice(kinds.get(field.type, INTEGERS))
    signed = (
        FieldDescriptor.TYPE_SINT32,
        FieldDescriptor.TYPE_INT64,
        FieldDescriptor.TYPE_SFIXED64,
    )
    return -value if field.type in signed and chance.random() < 0.5 else value


def as_json(request: Message, enums_as_numbers: bool = True) -> bytes:
    """OTLP/JSON: what the library writes, but with ids in hexadecimal."""
    found = json_format.MessageToDict(request, use_integers_for_enums=enums_as_numbers)
    _hex_ids(found)
    return json.dumps(found).encode()


def _hex_ids(value: Any) -> None:
    if isinstance(value, list):
        for item in value:
            _hex_ids(item)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name in ("traceId", "spanId", "parentSpanId"):
                value[name] = base64.b64decode(inner).hex()
            else:
                _hex_ids(inner)


def rows(content: Any) -> list[dict[str, Any]]:
    """The rows of a content, which must be as many as it says."""
    found = [json.loads(line) for line in content.data.splitlines()]
    assert len(found) == content.rows
    return found
