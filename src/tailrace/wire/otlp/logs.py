"""OTLP logs to canonical records."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from tailrace.core import limits
from tailrace.core.errors import TooLarge
from tailrace.core.frame import Signal
from tailrace.core.plain import LEVELS
from tailrace.wire import flat
from tailrace.wire.fitting import SHORT_LINE, body_of, check_attributes
from tailrace.wire.otlp.form import (
    DROPPED,
    TIMES_END,
    Form,
    batches,
    number_of,
    refused,
    resource_of,
    scope_attributes,
)
from tailrace.wire.otlp.json import JsonForm, Message, Pair, Resource, Scope, Value
from tailrace.wire.otlp.kept import Export, Kept
from tailrace.wire.rows import encode_resource

_WORDS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
_NUMBERS = {
    f"SEVERITY_NUMBER_{word}{step or ''}": 4 * place + step_number
    for place, word in enumerate(_WORDS)
    for step_number, step in ((1, 0), (2, 2), (3, 3), (4, 4))
}
# Pairs of text and number that are remembered; honest requests have a few.
_SEVERITIES = 100


class LogRecord(Message, frozen=True):
    time_unix_nano: int = 0
    observed_time_unix_nano: int = 0
    severity_number: int | str = 0
    severity_text: str = ""
    body: Value | None = None
    attributes: tuple[Pair, ...] = ()
    dropped_attributes_count: int = 0
    trace_id: str = ""
    span_id: str = ""
    event_name: str = ""


class _ScopeLogs(Message, frozen=True):
    scope: Scope = Scope()
    log_records: tuple[msgspec.Raw, ...] = ()


class _ResourceLogs(Message, frozen=True):
    resource: Resource = Resource()
    scope_logs: tuple[_ScopeLogs, ...] = ()


class _Request(Message, frozen=True):
    resource_logs: tuple[_ResourceLogs, ...] = ()


class _Row(msgspec.Struct, omit_defaults=True, gc=False):
    """A canonical record."""

    body: str
    time: int = 0
    severity: str = ""
    service: str = ""
    trace_id: str = ""
    span_id: str = ""
    attributes: dict[str, Any] = {}
    resource: msgspec.Raw = msgspec.Raw(b"")


def decode_protobuf(data: bytes) -> Export:
    """Records of an ExportLogsServiceRequest. Raises InputError ("protobuf") and TooLarge."""
    # An agent that reads OTLP in JSON has no protobuf library.
    from tailrace.wire.otlp.protobuf import ProtobufForm

    return _decode(ProtobufForm("logs"), data)


def decode_json(data: bytes) -> Export:
    """The same for OTLP/JSON. Raises InputError ("json") and TooLarge."""
    return _decode(JsonForm(_Request, LogRecord), data)


def _decode(form: Form, data: bytes) -> Export:
    kept = Kept(Signal.LOGS)
    try:
        for group in form.request(data).resource_logs:
            _group(form, group, kept)
    except form.errors as error:
        raise refused(form, "logs", error) from error
    return kept.export(form.repaired)


def _group(form: Form, group: Any, kept: Kept) -> None:
    try:
        resource = resource_of(form, group.resource.attributes)
        encoded = encode_resource(resource)
    except TooLarge as error:
        kept.reject(error, "resource", sum(len(scope.log_records) for scope in group.scope_logs))
        return
    service = resource.get("service.name", "")
    for scope in group.scope_logs:
        _scope(form, scope, service, encoded, kept)


def _scope(form: Form, scope: Any, service: str, resource: msgspec.Raw, kept: Kept) -> None:
    try:
        common = scope_attributes(form, scope.scope)
    except TooLarge as error:
        kept.reject(error, "scope", len(scope.log_records))
        return
    severities, opened = _Severities(form), form.opener("LogRecord")
    for some in batches(scope.log_records):
        _records(form, map(opened, some), (service, resource), common, severities, kept)


def _records(
    form: Form,
    records: Iterable[Any],
    origin: tuple[str, msgspec.Raw],
    common: dict[str, str],
    severities: _Severities,
    kept: Kept,
) -> None:
    """The loop that every record goes through."""
    service, resource = origin
    attributes_of, value_of = form.attributes, form.value
    trace_id, span_id = form.trace_id, form.span_id
    rows: list[_Row] = []
    for record in records:
        try:
            attributes = attributes_of(record.attributes)
            if common:
                attributes.update(common)
            if record.event_name:
                attributes["event.name"] = form.text(record.event_name)
            if record.dropped_attributes_count:
                attributes[DROPPED] = record.dropped_attributes_count
            if len(attributes) > limits.ATTRIBUTES_PER_RECORD:
                check_attributes(len(attributes))
        except TooLarge as error:
            kept.reject(error, "record", before=len(rows))
            continue
        body = value_of(record.body)
        if type(body) is not str:
            body = flat.text(body)
        if len(body) > SHORT_LINE or "\0" in body:
            body = body_of(body, form.repaired)
        time_ns = record.time_unix_nano or record.observed_time_unix_nano
        rows.append(_Row(
            body, time_ns if 0 < time_ns < TIMES_END else 0,
            severities[record.severity_text, record.severity_number], service,
            trace_id(record.trace_id), span_id(record.span_id), attributes, resource,
        ))  # fmt: skip
    kept.add_many(rows, "record")


class _Severities(dict[tuple[Any, Any], str]):
    """The level of a text and number as they were sent: the text where it is one of the words that
    have a number, else the word of the number, else the text."""

    def __init__(self, form: Form) -> None:
        self._form = form

    def __missing__(self, sent: tuple[Any, Any]) -> str:
        text, number = self._form.text(sent[0]), number_of(sent[1], _NUMBERS)
        if text.upper() not in LEVELS and 1 <= number <= 24:
            text = _WORDS[(number - 1) // 4]
        if len(self) < _SEVERITIES:
            self[sent] = text
        return text
