"""OTLP logs, protobuf and JSON, to canonical records.

Both forms are walked by the same code: the JSON structs carry the field names of the generated
protobuf classes. What differs (the one-of of a value, the bytes of an id) is passed in.
Source: the OpenTelemetry protocol, logs/v1 and common/v1, and its JSON mapping (hex ids, int64
as string or number, lowerCamelCase).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from tailrace.core.errors import InputError
from tailrace.wire.content import Content
from tailrace.wire.density import check_density
from tailrace.wire.flat import flat, text, texts
from tailrace.wire.rows import Rows, encode_resource

_LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")


class _Struct(msgspec.Struct, rename="camel", frozen=True, gc=False):
    pass


class _Value(_Struct, frozen=True):
    string_value: str | None = None
    bool_value: bool | None = None
    int_value: int | str | None = None
    double_value: float | str | None = None
    bytes_value: str | None = None
    array_value: _Values | None = None
    kvlist_value: _Pairs | None = None


class _Values(_Struct, frozen=True):
    values: list[_Value] = []


class _Pair(_Struct, frozen=True):
    key: str = ""
    value: _Value | None = None


class _Pairs(_Struct, frozen=True):
    values: list[_Pair] = []


class _Record(_Struct, frozen=True):
    time_unix_nano: int | str = 0
    observed_time_unix_nano: int | str = 0
    severity_number: int | str = 0
    severity_text: str = ""
    body: _Value | None = None
    attributes: list[_Pair] = []
    trace_id: str = ""
    span_id: str = ""
    event_name: str = ""


class _Scope(_Struct, frozen=True):
    name: str = ""


class _ScopeLogs(_Struct, frozen=True):
    scope: _Scope = _Scope()
    log_records: list[_Record] = []


class _Resource(_Struct, frozen=True):
    attributes: list[_Pair] = []


class _ResourceLogs(_Struct, frozen=True):
    resource: _Resource = _Resource()
    scope_logs: list[_ScopeLogs] = []


class _Request(_Struct, frozen=True):
    resource_logs: list[_ResourceLogs] = []


_decoder = msgspec.json.Decoder(_Request)
_AsPython = Callable[[Any], Any]
_AsHex = Callable[[Any], str]


def decode_protobuf(data: bytes) -> Content | None:
    """Records of an ExportLogsServiceRequest; None when it holds none, which is a success.

    Raises InputError ("protobuf") and TooLarge.
    """
    # An agent that reads OTLP in JSON has no protobuf library.
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

    check_density(data)
    try:
        request = ExportLogsServiceRequest.FromString(data)
    except DecodeError as error:
        raise InputError(f"body is not an OTLP logs request: {error}", "protobuf") from error
    return _content(request, _protobuf_value, bytes.hex)


def decode_json(data: bytes) -> Content | None:
    """The same for OTLP/JSON. Raises InputError ("json", "field") and TooLarge."""
    try:
        return _content(_decoder.decode(data), _json_value, str.lower)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise InputError(f"body is not an OTLP logs request in JSON: {error}", "json") from error
    except ValueError as error:
        raise InputError("an int64 must be a number or a string of digits", "field") from error


def _content(request: Any, value: _AsPython, as_hex: _AsHex) -> Content | None:
    rows = Rows()
    for group in request.resource_logs:
        resource = texts(_pairs(group.resource.attributes, value))
        service = resource.get("service.name", "")
        encoded = encode_resource(resource)
        for scope in group.scope_logs:
            name = scope.scope.name
            for record in scope.log_records:
                attributes = flat(_pairs(record.attributes, value))
                if name:
                    attributes["otel.scope.name"] = name
                if record.event_name:
                    attributes["event.name"] = record.event_name
                fields = {
                    "severity": record.severity_text or _severity(int(record.severity_number)),
                    "service": service,
                    "trace_id": as_hex(record.trace_id),
                    "span_id": as_hex(record.span_id),
                }
                time_ns = int(record.time_unix_nano) or int(record.observed_time_unix_nano)
                rows.add(time_ns, text(value(record.body)), encoded, attributes, fields)
    return None if rows.empty else rows.content()


def _severity(number: int) -> str:
    return _LEVELS[(number - 1) // 4] if 1 <= number <= 24 else ""


def _pairs(pairs: Iterable[Any], value: _AsPython) -> Iterator[tuple[str, Any]]:
    return ((pair.key, value(pair.value)) for pair in pairs)


def _protobuf_value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_protobuf_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: _protobuf_value(pair.value) for pair in value.kvlist_value.values}
    return None if kind is None else getattr(value, kind)


def _json_value(value: _Value | None) -> Any:
    if value is None:
        return None
    if value.string_value is not None:
        return value.string_value
    if value.int_value is not None:
        return int(value.int_value)
    if value.bool_value is not None:
        return value.bool_value
    if value.double_value is not None:
        return float(value.double_value)
    if value.array_value is not None:
        return [_json_value(item) for item in value.array_value.values]
    if value.kvlist_value is not None:
        return {pair.key: _json_value(pair.value) for pair in value.kvlist_value.values}
    return value.bytes_value
