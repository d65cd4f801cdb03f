"""The laws of a Form. Both encodings of OTLP are held to them; add one to `FORMS`."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from tailrace.core import limits
from tailrace.core.errors import TooLarge
from tailrace.wire import flat
from tailrace.wire.otlp import logs, metrics
from tailrace.wire.otlp.form import Form
from tailrace.wire.otlp.json import JsonForm
from tailrace.wire.otlp.protobuf import ProtobufForm

from .otlprequests import as_json

READ = {"logs": (logs._Request, logs.LogRecord), "metrics": (metrics._Request,)}
# The form of a request for a signal, and what writes such a request.
FORMS: dict[str, tuple[Callable[[str], Form], Callable[[Message], bytes]]] = {
    "json": (lambda signal: JsonForm(*READ[signal]), as_json),
    "protobuf": (ProtobufForm, lambda request: request.SerializeToString()),
}
over_all = pytest.mark.parametrize("name", FORMS)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
scalars = (
    texts
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.binary(max_size=20)
)
values = st.recursive(
    scalars | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)


def put(target: Any, value: Any) -> None:
    """`value` into an AnyValue."""
    if isinstance(value, dict):
        target.kvlist_value.SetInParent()
        for key, inner in value.items():
            put(target.kvlist_value.values.add(key=key).value, inner)
    elif isinstance(value, list):
        target.array_value.SetInParent()
        for inner in value:
            put(target.array_value.values.add(), inner)
    elif value is not None:
        kinds = {bool: "bool", str: "string", int: "int", float: "double", bytes: "bytes"}
        setattr(target, f"{kinds[type(value)]}_value", value)


def received(value: Any) -> Any:
    """What a Form is to make of it: bytes as base64."""
    if isinstance(value, dict):
        return {key: received(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [received(inner) for inner in value]
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def opened(
    name: str, record: LogRecord, on_the_way: Callable[[bytes], bytes] = bytes
) -> tuple[Form, Any]:
    """The form that has read a request with that record, and the record."""
    sent = ExportLogsServiceRequest()
    sent.resource_logs.add().scope_logs.add().log_records.append(record)
    make, write = FORMS[name]
    form = make("logs")
    (raw,) = form.request(on_the_way(write(sent))).resource_logs[0].scope_logs[0].log_records
    return form, form.opener("LogRecord")(raw)


def of_values(found: dict[str, Any]) -> LogRecord:
    record = LogRecord()
    for key, value in found.items():
        put(record.attributes.add(key=key).value, value)
    return record


@over_all
@settings(deadline=None)
@given(values)
def test_a_value_is_what_was_sent(name: str, value: Any) -> None:
    record = LogRecord()
    record.body.SetInParent()
    put(record.body, value)
    form, found = opened(name, record)
    assert form.value(found.body) == received(value)


@over_all
@settings(deadline=None)
@given(st.dictionaries(texts, values, max_size=6))
def test_attributes_are_those_that_were_sent_by_dotted_name(
    name: str, sent: dict[str, Any]
) -> None:
    form, found = opened(name, of_values(sent))
    assert form.attributes(found.attributes) == flat.flat(received(sent).items())


@over_all
def test_attributes_may_be_changed_by_who_asked_for_them(name: str) -> None:
    form, found = opened(name, of_values({"a": 1, "b": {"c": 2}}))
    form.attributes(found.attributes).clear()
    assert form.attributes(found.attributes) == {"a": 1, "b.c": 2}


@over_all
@pytest.mark.parametrize("nested", [False, True])
def test_more_attributes_than_a_record_may_have_are_too_large(name: str, nested: bool) -> None:
    many = {f"a{n}": n for n in range(limits.ATTRIBUTES_PER_RECORD + 1)}
    form, found = opened(name, of_values({"within": many} if nested else many))
    with pytest.raises(TooLarge) as error:
        form.attributes(found.attributes)
    assert error.value.reason == "attributes"


@over_all
def test_texts_are_given_as_they_were_sent(name: str) -> None:
    form, found = opened(name, LogRecord(severity_text="ä\u2028😀"))
    assert form.text(found.severity_text) == "ä\u2028😀"
    assert form.repaired == {}


@over_all
def test_a_byte_that_is_no_utf8_costs_a_character_and_is_counted(name: str) -> None:
    def broken(data: bytes) -> bytes:
        return data.replace(b"?", b"\xff")

    form, found = opened(
        name, LogRecord(severity_text="x?y"), lambda data: data.replace(b"?", b"\xff")
    )
    assert form.text(found.severity_text) == "x\ufffdy"
    assert form.repaired == {"utf8": 1}


@over_all
@pytest.mark.parametrize(("field", "size"), [("trace_id", 16), ("span_id", 8)])
def test_an_id_is_lower_case_hex_or_nothing_and_what_is_none_is_counted(
    name: str, field: str, size: int
) -> None:
    def capital(data: bytes) -> bytes:
        return data.replace(b"abab", b"ABAB")

    found = []
    for sent in (b"\xab" * size, b"", bytes(size), b"\xab" * (size - 1), b"\xab" * (size + 1)):
        form, record = opened(name, LogRecord(**{field: sent}), capital)
        found.append((getattr(form, field)(getattr(record, field)), form.repaired))
    none, bad = ("", {}), ("", {"id": 1})
    assert found == [("ab" * size, {}), none, none, bad, bad]


@over_all
def test_what_is_malformed_is_one_of_its_errors(name: str) -> None:
    form = FORMS[name][0]("logs")
    with pytest.raises(form.errors):
        form.request(b"\xff no request {")
    with pytest.raises(form.errors):
        form.opener("LogRecord")(b"\xff no record {")


@over_all
def test_an_empty_request_has_nothing_in_it(name: str) -> None:
    form = FORMS[name][0]("logs")
    assert len(form.request(b"").resource_logs) == 0


@over_all
def test_a_field_that_was_set_is_told_from_one_that_was_not(name: str) -> None:
    sent = ExportMetricsServiceRequest()
    sent.resource_metrics.add().scope_metrics.add().metrics.add().gauge.SetInParent()
    make, write = FORMS[name]
    form = make("metrics")
    (metric,) = form.request(write(sent)).resource_metrics[0].scope_metrics[0].metrics
    assert form.has(metric, "gauge")
    assert not form.has(metric, "sum")
