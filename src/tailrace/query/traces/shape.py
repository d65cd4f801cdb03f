"""A trace in the shape of Jaeger's JSON.

    {"traceID": "...", "processes": {"p1": {"serviceName": "web", "tags": [TAG, ...]}},
     "spans": [{"traceID", "spanID", "operationName", "references", "startTime", "duration",
                "tags", "logs", "processID", "flags", "warnings"}, ...], "warnings": null}
    TAG = {"key": "http.route", "type": "string", "value": "/cart"}

Times and durations are whole microseconds. The parent is a reference of type CHILD_OF, a link one
of FOLLOWS_FROM; kind and status are tags, as OpenTelemetry's mapping for Jaeger names them. Values
of attributes are text.
Source: Jaeger's model/json, and the OpenTelemetry specification, "OpenTelemetry to Jaeger
Transformation".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tailrace.query.traces.stored import StoredSpan

_US = 1_000
Tags = list[dict[str, Any]]


def trace(spans: Sequence[StoredSpan], warnings: Sequence[str] = ()) -> dict[str, Any]:
    """A trace of one span or more."""
    processes: dict[tuple[Any, ...], str] = {}
    found = []
    for span in spans:
        process = (span.service, tuple(sorted(span.resource.items())))
        name = processes.setdefault(process, f"p{len(processes) + 1}")
        found.append(_span(span, name))
    return {
        "traceID": spans[0].trace_id,
        "spans": found,
        "processes": {
            name: {"serviceName": service, "tags": _tags(resource, without="service.name")}
            for (service, resource), name in processes.items()
        },
        "warnings": list(warnings) or None,
    }


def _span(span: StoredSpan, process: str) -> dict[str, Any]:
    return {
        "traceID": span.trace_id,
        "spanID": span.span_id,
        "flags": 1,
        "operationName": span.name,
        "references": _references(span),
        "startTime": span.time_ns // _US,
        "duration": span.duration_ns // _US,
        "tags": _own_tags(span) + _tags(span.attributes.items()),
        "logs": _logs(span),
        "processID": process,
        "warnings": None,
    }


def _references(span: StoredSpan) -> list[dict[str, str]]:
    parents = [("CHILD_OF", span.trace_id, span.parent_span_id)] if span.parent_span_id else []
    links = zip(span.link_trace_ids, span.link_span_ids, strict=True)
    follows = [("FOLLOWS_FROM", trace_id, span_id) for trace_id, span_id in links]
    return [
        {"refType": kind, "traceID": trace_id, "spanID": span_id}
        for kind, trace_id, span_id in [*parents, *follows]
    ]


def _own_tags(span: StoredSpan) -> Tags:
    """What has a column of its own."""
    found = {
        "span.kind": "" if span.kind == "Unspecified" else span.kind.lower(),
        "otel.status_code": "" if span.status == "Unset" else span.status.upper(),
        "otel.status_description": span.status_message,
        "otel.scope.name": span.scope_name,
        "otel.scope.version": span.scope_version,
        "w3c.tracestate": span.trace_state,
    }
    error = [{"key": "error", "type": "bool", "value": True}] if span.status == "Error" else []
    return error + _tags((key, value) for key, value in found.items() if value)


def _logs(span: StoredSpan) -> list[dict[str, Any]]:
    events = zip(span.event_times_ns, span.event_names, span.event_attributes, strict=True)
    return [
        {
            "timestamp": time_ns // _US,
            "fields": _tags([("event", name)] if name else []) + _tags(attributes.items()),
        }
        for time_ns, name, attributes in events
    ]


def _tags(pairs: Iterable[tuple[str, str]], without: str = "") -> Tags:
    return [
        {"key": key, "type": "string", "value": value}
        for key, value in pairs
        if not without or key != without
    ]
