"""OTLP in protobuf.

The messages are those of opentelemetry-proto with three kinds of fields left as their bytes: texts,
so that bad UTF-8 costs a character and not the request; attributes and values, because equal ones
are read once; and records, which are opened one at a time.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from math import isfinite
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.metrics.v1 import metrics_pb2
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from tailrace.core import limits
from tailrace.wire.density import check_density
from tailrace.wire.fitting import check_attributes
from tailrace.wire.flat import flat
from tailrace.wire.otlp.form import BAD_ID

_PACKAGE = "opentelemetry.proto."
_VALUES = ("common.v1.KeyValue", "common.v1.AnyValue")
_INSIDE_VALUES = ("KeyValue", "AnyValue", "ArrayValue", "KeyValueList")
_RECORDS = (
    "logs.v1.LogRecord",
    "trace.v1.Span",
    "trace.v1.Span.Event",
    "trace.v1.Span.Link",
    "metrics.v1.NumberDataPoint",
    "metrics.v1.HistogramDataPoint",
    "metrics.v1.ExponentialHistogramDataPoint",
    "metrics.v1.SummaryDataPoint",
    "metrics.v1.Exemplar",
)
_REQUESTS = {
    "logs": "collector.logs.v1.ExportLogsServiceRequest",
    "metrics": "collector.metrics.v1.ExportMetricsServiceRequest",
    "traces": "collector.trace.v1.ExportTraceServiceRequest",
}
_NUMBERS = ("int_value", "double_value", "bool_value")
_NO_TRACE, _NO_SPAN = bytes(16), bytes(8)
# Pairs of one request that are remembered: enough for what repeats, and little memory.
_PAIRS = 4_096
# A smaller body cannot do harm, and the check costs.
_SPARSE_BYTES = 1 << 20
# Tags: the key and the value of a KeyValue; in an AnyValue, a text, an integer and a double.
_KEY, _VALUE, _TEXT, _INTEGER, _DOUBLE = 0x0A, 0x12, 0x0A, 0x18, 0x21
# Lengths below this take one byte.
_SHORT = 0x80
# The value's tag and length, by the size of the two and the value.
_VALUES_OF = [bytes((_VALUE, max(0, size - 2))) for size in range(_SHORT)]
_double = struct.Struct("<d").unpack_from


class ProtobufForm:
    """See Form. One for each request."""

    errors: tuple[type[Exception], ...] = (DecodeError,)
    reason = "protobuf"

    def __init__(self, signal: str) -> None:
        self.repaired: dict[str, int] = {}
        self._request = _CLASSES[_REQUESTS[signal]]
        self._pairs = _Pairs(self)
        self._get = self._pairs.__getitem__

    def request(self, data: bytes) -> Any:
        """Raises TooLarge ("density") too."""
        if len(data) > _SPARSE_BYTES:
            check_density(data)
        return self._request.FromString(data)

    def opener(self, message: str) -> Callable[[Any], Any]:
        found: Callable[[Any], Any] = _BY_NAME[message].FromString
        return found

    def text(self, raw: bytes) -> str:
        try:
            return raw.decode()
        except UnicodeDecodeError:
            found = raw.decode(errors="replace")
            broken = found.count("\ufffd") - raw.count(b"\xef\xbf\xbd")
            self.repaired["utf8"] = self.repaired.get("utf8", 0) + broken
            return found

    def trace_id(self, raw: bytes) -> str:
        if len(raw) == 16 and raw != _NO_TRACE:
            return raw.hex()
        return self._no_id(raw)

    def span_id(self, raw: bytes) -> str:
        if len(raw) == 8 and raw != _NO_SPAN:
            return raw.hex()
        return self._no_id(raw)

    def _no_id(self, raw: bytes) -> str:
        if raw.strip(b"\0"):
            self.repaired[BAD_ID] = self.repaired.get(BAD_ID, 0) + 1
        return ""

    def value(self, raw: bytes) -> Any:
        size = len(raw)
        if size > 1 and raw[0] == _TEXT:
            # A length of one or two bytes that reaches to the end: a text and nothing else.
            if raw[1] + 2 == size and size < 130:
                return self.text(raw[2:])
            two = size > 130 and raw[1] >= 0x80 > raw[2]
            if two and (raw[1] & 0x7F | raw[2] << 7) + 3 == size:
                return self.text(raw[3:])
        return self._plain(_AnyValue.FromString(raw))

    def attributes(self, raw: Any) -> dict[str, Any]:
        items = raw[:]  # costs less than half of an iteration
        if len(items) > limits.ATTRIBUTES_PER_RECORD:
            check_attributes(len(items))
        found = dict(map(self._get, items))
        if self._pairs.nested:
            found = flat(map(self._get, items))
            check_attributes(len(found))
        return found

    def has(self, message: Any, field: str) -> bool:
        found: bool = message.HasField(field)
        return found

    def _plain(self, value: Any) -> Any:
        kind = value.WhichOneof("value")
        if kind == "string_value":
            return self.text(value.string_value)
        if kind == "array_value":
            return [self._plain(item) for item in value.array_value.values]
        if kind == "kvlist_value":
            pairs = value.kvlist_value.values
            return {self.text(pair.key): self._plain(pair.value) for pair in pairs}
        if kind == "bytes_value":
            return base64.b64encode(value.bytes_value).decode()
        return getattr(value, kind) if kind in _NUMBERS else None

    def pair(self, raw: bytes) -> tuple[str, Any]:
        """A KeyValue, in full."""
        found = _KeyValue.FromString(raw)
        return self.text(found.key), self._plain(found.value)


class _Pairs(dict[bytes, tuple[str, Any]]):
    """Attributes by their bytes. `nested` when one of them is an object, which must be flattened.

    Nearly every attribute is (key tag, length, key, value tag, length, value) with lengths of one
    byte, and its value is (text tag, length, text), or a number behind its tag. Those are read
    here, once their key is known; all others by the library.
    """

    def __init__(self, form: ProtobufForm) -> None:
        self.nested = False
        self._form = form
        # Names by the bytes of (key tag, length, key).
        self._names: dict[bytes, str] = {}

    def __missing__(self, raw: bytes) -> tuple[str, Any]:
        end = raw[1] + 2 if len(raw) > 1 else 0
        name = self._names.get(raw[:end])
        size = len(raw) - end
        value: Any = None
        if name is not None and 4 <= size < _SHORT and raw[end : end + 2] == _VALUES_OF[size]:
            kind = raw[end + 2]
            if kind == _TEXT and raw[end + 3] == size - 4:
                value = self._form.text(raw[end + 4 :])
            elif kind == _DOUBLE and size == 11:
                (value,) = _double(raw, end + 3)
            elif kind == _INTEGER:
                value = _integer(raw[end + 3 :])
        pair = self._read(raw, end) if name is None or value is None else (name, _scalar(value))
        if len(self) < _PAIRS:
            self[raw] = pair
        return pair

    def _read(self, raw: bytes, end: int) -> tuple[str, Any]:
        name, value = self._form.pair(raw)
        if 2 < end < min(_SHORT, len(raw)) and raw[0] == _KEY and len(self._names) < _PAIRS:
            self._names[raw[:end]] = name
        if isinstance(value, dict) and value:
            self.nested = True
            return name, value
        return name, _scalar(value)


def _scalar(value: Any) -> Any:
    """What flattening makes of a value that is no object with parts."""
    kind = type(value)
    if kind is str or kind is int or kind is bool or (kind is float and isfinite(value)):
        return value
    return flat([("", value)])[""]


def _integer(raw: bytes) -> int | None:
    """Of a number in the encoding of protobuf that takes all these bytes, else None."""
    last = len(raw) - 1
    if last > 8:  # it may be negative
        return None
    number = 0
    for place, byte in enumerate(raw):
        if (byte < 0x80) != (place == last):
            return None
        number |= (byte & 0x7F) << 7 * place
    return number


def _classes() -> dict[str, Any]:
    """The generated messages, changed as the module says, by name without the package."""
    pool = descriptor_pool.DescriptorPool()
    modules = (
        common_pb2, resource_pb2, logs_pb2, metrics_pb2, trace_pb2,
        logs_service_pb2, metrics_service_pb2, trace_service_pb2,
    )  # fmt: skip
    names = [*_VALUES, *_RECORDS, *_REQUESTS.values()]
    unopened = {f".{_PACKAGE}{name}" for name in (*_VALUES, *_RECORDS)}
    for module in modules:
        file = descriptor_pb2.FileDescriptorProto.FromString(module.DESCRIPTOR.serialized_pb)
        for message in file.message_type:
            _leave_bytes(message, set() if message.name in _INSIDE_VALUES else unopened)
        pool.Add(file)
    found = {name: pool.FindMessageTypeByName(_PACKAGE + name) for name in names}
    return {name: message_factory.GetMessageClass(kind) for name, kind in found.items()}


def _leave_bytes(message: descriptor_pb2.DescriptorProto, unopened: set[str]) -> None:
    for field in message.field:
        if field.type == field.TYPE_STRING or field.type_name in unopened:
            field.type = field.TYPE_BYTES
            field.ClearField("type_name")
    for inner in message.nested_type:
        _leave_bytes(inner, unopened)


_CLASSES = _classes()
_BY_NAME = {name.rpartition(".")[2]: kind for name, kind in _CLASSES.items()}
_KeyValue = _BY_NAME["KeyValue"]
_AnyValue = _BY_NAME["AnyValue"]
