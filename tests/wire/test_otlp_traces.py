"""OTLP spans become spans of the store."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tailrace.core import limits
from tailrace.core.errors import InputError
from tailrace.core.frame import Signal
from tailrace.wire.otlp import traces

from .otlprequests import NOW, as_json, rows

TRACE, SPAN = b"\xab" * 16, b"\xcd" * 8


def request(number: int = 1) -> tuple[ExportTraceServiceRequest, Any]:
    """A request of one scope with so many good spans, and its spans."""
    found = ExportTraceServiceRequest()
    scope = found.resource_spans.add().scope_spans.add()
    for _ in range(number):
        scope.spans.add(trace_id=TRACE, span_id=SPAN, start_time_unix_nano=NOW)
    return found, scope.spans


def test_each_field_has_its_place() -> None:
    found, (sent,) = request()
    group = found.resource_spans[0]
    group.resource.attributes.add(key="service.name").value.string_value = "shop"
    scope = group.scope_spans[0].scope
    scope.name, scope.version = "lib", "2"
    scope.attributes.add(key="team").value.string_value = "blue"
    sent.parent_span_id, sent.trace_state, sent.name, sent.kind = b"\xef" * 8, "a=b", "pay", 2
    sent.end_time_unix_nano = NOW + 5
    sent.attributes.add(key="n").value.int_value = 7
    sent.dropped_events_count = 4
    sent.status.code, sent.status.message = 2, "broken"
    event = sent.events.add(time_unix_nano=NOW + 1, name="retry", dropped_attributes_count=1)
    event.attributes.add(key="try").value.int_value = 2
    link = sent.links.add(trace_id=TRACE, span_id=SPAN, trace_state="c=d")
    link.attributes.add(key="why").value.string_value = "batch"
    export = traces.decode_protobuf(found.SerializeToString())
    assert export.content is not None
    assert export.content.signal is Signal.SPANS
    expected = {
        "time": NOW, "duration": 5, "name": "pay", "kind": "server", "service": "shop",
        "trace_id": "ab" * 16, "span_id": "cd" * 8, "parent_span_id": "ef" * 8,
        "trace_state": "a=b", "status": "error", "status_message": "broken",
        "scope_name": "lib", "scope_version": "2", "resource": {"service.name": "shop"},
        "attributes": {"n": "7", "otel.scope.team": "blue", "otel.dropped_events_count": "4"},
        "events": [{"time": NOW + 1, "name": "retry",
                    "attributes": {"try": "2", "otel.dropped_attributes_count": "1"}}],
        "links": [{"trace_id": "ab" * 16, "span_id": "cd" * 8, "trace_state": "c=d",
                   "attributes": {"why": "batch"}}],
    }  # fmt: skip
    assert rows(export.content) == [expected]
    assert rows(traces.decode_json(as_json(found, enums_as_numbers=False)).content) == [expected]


def test_times_that_make_no_sense_are_made_to() -> None:
    found, (backwards, unstarted) = request(2)
    backwards.end_time_unix_nano = NOW - 1
    unstarted.start_time_unix_nano, unstarted.end_time_unix_nano = 0, NOW
    content = traces.decode_protobuf(found.SerializeToString()).content
    assert [(row["time"], row.get("duration", 0)) for row in rows(content)] == [(NOW, 0), (NOW, 0)]


def test_spans_that_cannot_be_kept_are_left_out_and_counted() -> None:
    found, (_, unnamed, zeros, late, busy) = request(5)
    unnamed.span_id = b""
    zeros.trace_id = bytes(16)
    late.start_time_unix_nano = 2**63
    for _ in range(limits.EVENTS_PER_SPAN + 1):
        busy.events.add()
    export = traces.decode_protobuf(found.SerializeToString())
    assert export.content is not None
    assert export.content.rows == 1
    assert export.reasons == {"id": 2, "time": 1, "attributes": 1}
    assert export.rejected == 4
    assert export.message == "span 2: has no trace id of 16 bytes or no span id of 8"


def test_when_nothing_can_be_kept_the_request_is_refused() -> None:
    found, (sent,) = request()
    sent.trace_id = b"short"
    with pytest.raises(InputError, match="span 1: has no trace id"):
        traces.decode_protobuf(found.SerializeToString())
