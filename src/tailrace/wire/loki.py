"""Loki push bodies: JSON, and snappy-compressed protobuf, to canonical records.

The messages follow the fields of Loki's documented push API: streams of labels and entries of
(timestamp, line, structured metadata).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cramjam
import msgspec
from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory

from tailrace.core import limits
from tailrace.core.errors import InputError, TooLarge
from tailrace.wire import labels as label_strings
from tailrace.wire.content import Content
from tailrace.wire.density import check_density
from tailrace.wire.rows import Rows, encode_resource
from tailrace.wire.text import repair_text

_SERVICE = ("service_name", "service", "app", "job")
_SEVERITY = ("level", "detected_level", "severity")
# Snappy's densest element is 3 bytes for 64: a larger claim is false.
_SNAPPY_RATIO = 24


class _Stream(msgspec.Struct, gc=False):
    stream: dict[str, str]
    values: list[Any] = []


class _Push(msgspec.Struct):
    streams: list[_Stream]


_decoder = msgspec.json.Decoder(_Push)


def decode_json(data: bytes) -> Content:
    """Records of a JSON push. Raises InputError ("json", "labels", "field", "empty"), TooLarge."""
    data, repaired = repair_text(data)
    try:
        push = _decoder.decode(data)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InputError(f"body is not a Loki push: {error}", "json") from error
    rows = Rows()
    for stream in push.streams:
        resource = encode_resource(stream.stream)
        for value in stream.values:
            time_ns, line, metadata = _entry(value)
            _add(rows, time_ns, line, metadata, stream.stream, resource)
    content = rows.content()
    content.repaired.update(repaired)
    return content


def _entry(value: Any) -> tuple[int, str, dict[str, str]]:
    if not (isinstance(value, list) and 2 <= len(value) <= 3 and isinstance(value[1], str)):
        raise InputError(
            'each of `values` must be ["<nanoseconds>", "<line>"] or the same with an object of '
            "structured metadata",
            "field",
        )
    metadata = value[2] if len(value) == 3 else {}
    if not isinstance(metadata, dict):
        raise InputError("structured metadata must be an object of strings", "field")
    text = str(value[0])
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        raise InputError("a timestamp in `values` must be a string of nanoseconds", "field")
    return int(text), value[1], {key: _as_text(item) for key, item in metadata.items()}


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def decode_protobuf(body: bytes) -> Content:
    """Records of a raw-block snappy protobuf push. Raises InputError ("snappy", "protobuf",
    "labels", "empty") and TooLarge."""
    data = _unsnap(body)
    check_density(data)
    try:
        push: Any = _PushRequest.FromString(data)
    except message.DecodeError as error:
        raise InputError(f"body is not a Loki push in protobuf: {error}", "protobuf") from error
    rows = Rows()
    broken = 0
    for stream in push.streams:
        labels = label_strings.parse(stream.labels.decode(errors="replace"))
        resource = encode_resource(labels)
        for entry in stream.entries:
            time_ns = entry.timestamp.seconds * 1_000_000_000 + entry.timestamp.nanos
            metadata = {
                pair.name.decode(errors="replace"): pair.value.decode(errors="replace")
                for pair in entry.structured_metadata
            }
            line = entry.line.decode(errors="replace")
            if not line.isascii() and "\ufffd" in line:
                broken += line.count("\ufffd") - entry.line.count(b"\xef\xbf\xbd")
            _add(rows, time_ns, line, metadata, labels, resource)
    content = rows.content()
    if broken:
        content.repaired["utf8"] = broken
    return content


def _unsnap(body: bytes) -> bytes:
    try:
        claim = cramjam.snappy.decompress_raw_len(body) if body else 0
        if claim > limits.BODY_BYTES:
            raise TooLarge(
                f"body expands beyond {limits.BODY_BYTES} bytes; send smaller batches", "expanded"
            )
        if claim > _SNAPPY_RATIO * len(body):
            raise InputError("body is not valid snappy: its length is not believable", "snappy")
        return bytes(cramjam.snappy.decompress_raw(body))
    except cramjam.DecompressionError as error:
        raise InputError(f"body is not valid snappy: {error}", "snappy") from error


def _add(
    rows: Rows,
    time_ns: int,
    line: str,
    metadata: Mapping[str, str],
    labels: Mapping[str, str],
    resource: msgspec.Raw,
) -> None:
    fields = {
        "severity": _first(_SEVERITY, metadata) or _first(_SEVERITY, labels),
        "service": _first(_SERVICE, labels),
        "trace_id": metadata.get("trace_id", ""),
        "span_id": metadata.get("span_id", ""),
    }
    rows.add(time_ns, line, resource, metadata, fields)


def _first(names: tuple[str, ...], values: Mapping[str, str]) -> str:
    for name in names:
        if value := values.get(name):
            return value
    return ""


def _push_request() -> Any:
    """The protobuf class of a push. Text is read as bytes, so that bad UTF-8 can be repaired."""
    field = descriptor_pb2.FieldDescriptorProto
    kinds = {"bytes": field.TYPE_BYTES, "int64": field.TYPE_INT64, "int32": field.TYPE_INT32}
    file = descriptor_pb2.FileDescriptorProto(
        name="tailrace/loki_push.proto", package="tailrace.loki", syntax="proto3"
    )
    messages = {
        "Timestamp": [("seconds", 1, "int64", False), ("nanos", 2, "int32", False)],
        "Label": [("name", 1, "bytes", False), ("value", 2, "bytes", False)],
        "Entry": [
            ("timestamp", 1, "Timestamp", False),
            ("line", 2, "bytes", False),
            ("structured_metadata", 3, "Label", True),
        ],
        "Stream": [("labels", 1, "bytes", False), ("entries", 2, "Entry", True)],
        "Push": [("streams", 1, "Stream", True)],
    }
    for name, fields in messages.items():
        added = file.message_type.add(name=name)
        for field_name, number, kind, repeated in fields:
            one = added.field.add(name=field_name, number=number)
            one.label = field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
            one.type = kinds.get(kind, field.TYPE_MESSAGE)
            if kind not in kinds:
                one.type_name = f".tailrace.loki.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tailrace.loki.Push"))


_PushRequest = _push_request()
