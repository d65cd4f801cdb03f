"""OTLP traces to spans, as core/span.py has them."""

from __future__ import annotations

from typing import Any

import msgspec

from tailrace.core import limits, span
from tailrace.core.errors import InputError, TooLarge
from tailrace.core.frame import Signal
from tailrace.wire.fitting import check_attributes
from tailrace.wire.flat import text
from tailrace.wire.otlp.form import (
    DROPPED,
    TIMES_END,
    Form,
    number_of,
    opened,
    refused,
    resource_of,
    scope_attributes,
    texts,
)
from tailrace.wire.otlp.json import JsonForm, Message, Pair, Resource, Scope
from tailrace.wire.otlp.kept import Export, Kept
from tailrace.wire.rows import encode_resource

_KINDS: tuple[span.Kind, ...] = ("", "internal", "server", "client", "producer", "consumer")
_KIND_NAMES = {f"SPAN_KIND_{kind.upper()}": place for place, kind in enumerate(_KINDS) if kind}
_STATUSES: tuple[span.Status, ...] = ("", "ok", "error")
_STATUS_NAMES = {f"STATUS_CODE_{name.upper()}": n for n, name in enumerate(_STATUSES) if name}

_PARTS = {"events": limits.EVENTS_PER_SPAN, "links": limits.LINKS_PER_SPAN}


class Event(Message, frozen=True):
    time_unix_nano: int = 0
    name: str = ""
    attributes: tuple[Pair, ...] = ()
    dropped_attributes_count: int = 0


class Link(Message, frozen=True):
    trace_id: str = ""
    span_id: str = ""
    trace_state: str = ""
    attributes: tuple[Pair, ...] = ()
    dropped_attributes_count: int = 0


class _Status(Message, frozen=True):
    message: str = ""
    code: int | str = 0


class Span(Message, frozen=True):
    trace_id: str = ""
    span_id: str = ""
    trace_state: str = ""
    parent_span_id: str = ""
    name: str = ""
    kind: int | str = 0
    start_time_unix_nano: int = 0
    end_time_unix_nano: int = 0
    attributes: tuple[Pair, ...] = ()
    dropped_attributes_count: int = 0
    events: tuple[msgspec.Raw, ...] = ()
    dropped_events_count: int = 0
    links: tuple[msgspec.Raw, ...] = ()
    dropped_links_count: int = 0
    status: _Status = _Status()


class _ScopeSpans(Message, frozen=True):
    scope: Scope = Scope()
    spans: tuple[msgspec.Raw, ...] = ()


class _ResourceSpans(Message, frozen=True):
    resource: Resource = Resource()
    scope_spans: tuple[_ScopeSpans, ...] = ()


class _Request(Message, frozen=True):
    resource_spans: tuple[_ResourceSpans, ...] = ()


def decode_protobuf(data: bytes) -> Export:
    """Spans of an ExportTraceServiceRequest. Raises InputError ("protobuf") and TooLarge."""
    from tailrace.wire.otlp.protobuf import ProtobufForm

    return _decode(ProtobufForm("traces"), data)


def decode_json(data: bytes) -> Export:
    """The same for OTLP/JSON. Raises InputError ("json") and TooLarge."""
    return _decode(JsonForm(_Request, Span, Event, Link), data)


def _decode(form: Form, data: bytes) -> Export:
    kept = Kept(Signal.SPANS)
    try:
        for group in form.request(data).resource_spans:
            _group(form, group, kept)
    except form.errors as error:
        raise refused(form, "traces", error) from error
    return kept.export(form.repaired)


def _group(form: Form, group: Any, kept: Kept) -> None:
    try:
        resource = resource_of(form, group.resource.attributes)
        encode_resource(resource)  # within its limits
    except TooLarge as error:
        kept.reject(error, "resource", sum(len(scope.spans) for scope in group.scope_spans))
        return
    for scope in group.scope_spans:
        _scope(form, scope, resource, kept)


def _scope(form: Form, scope: Any, resource: dict[str, str], kept: Kept) -> None:
    try:
        named = (_name(form, scope.scope.name), _name(form, scope.scope.version))
        common = scope_attributes(form, scope.scope, named=False)
    except TooLarge as error:
        kept.reject(error, "scope", len(scope.spans))
        return
    for sent in opened(form, "Span", scope.spans):
        try:
            kept.add(_span(form, sent, resource, named, common))
        except InputError as error:
            kept.reject(error, "span")


def _span(
    form: Form, sent: Any, resource: dict[str, str], scope: tuple[str, str], common: dict[str, str]
) -> span.Span:
    """Raises InputError ("id", "time") and TooLarge."""
    trace_id, span_id = form.trace_id(sent.trace_id), form.span_id(sent.span_id)
    if not (trace_id and span_id):
        raise InputError("has no trace id of 16 bytes or no span id of 8", "id")
    time_ns, end_ns = sent.start_time_unix_nano, sent.end_time_unix_nano
    if not 0 <= time_ns < TIMES_END or not 0 <= end_ns < TIMES_END:
        raise InputError("has a time out of bounds", "time")
    _check_parts(sent)
    time_ns = time_ns or end_ns
    kind = number_of(sent.kind, _KIND_NAMES)
    status = number_of(sent.status.code, _STATUS_NAMES)
    attributes = {**texts(form, sent.attributes), **common}
    _count_dropped(attributes, sent, ("attributes", "events", "links"))
    check_attributes(len(attributes))
    return span.Span(
        time=time_ns,
        name=_name(form, sent.name),
        trace_id=trace_id,
        span_id=span_id,
        duration=max(0, end_ns - time_ns),
        parent_span_id=form.span_id(sent.parent_span_id),
        trace_state=_name(form, sent.trace_state),
        kind=_KINDS[kind] if 0 <= kind < len(_KINDS) else "",
        service=resource.get("service.name", ""),
        status=_STATUSES[status] if 0 <= status < len(_STATUSES) else "",
        status_message=form.text(sent.status.message),
        scope_name=scope[0],
        scope_version=scope[1],
        attributes=attributes,
        resource=resource,
        events=[_event(form, event) for event in opened(form, "Event", sent.events)],
        links=[_link(form, link) for link in opened(form, "Link", sent.links)],
    )


def _check_parts(sent: Any) -> None:
    for field, most in _PARTS.items():
        number = len(getattr(sent, field))
        if number > most:
            raise TooLarge(f"has {number} {field}, more than {most}", "attributes")


def _name(form: Form, raw: Any) -> str:
    name = form.text(raw)
    if len(name) > limits.LABEL_VALUE_BYTES:
        raise TooLarge(f"has a name beyond {limits.LABEL_VALUE_BYTES} characters", "field")
    return name


def _event(form: Form, sent: Any) -> span.Event:
    time_ns = sent.time_unix_nano
    attributes = texts(form, sent.attributes)
    _count_dropped(attributes, sent, ("attributes",))
    return span.Event(time_ns if 0 < time_ns < TIMES_END else 0, _name(form, sent.name), attributes)


def _link(form: Form, sent: Any) -> span.Link:
    attributes = texts(form, sent.attributes)
    _count_dropped(attributes, sent, ("attributes",))
    return span.Link(
        form.trace_id(sent.trace_id),
        form.span_id(sent.span_id),
        _name(form, sent.trace_state),
        attributes,
    )


def _count_dropped(attributes: dict[str, str], sent: Any, fields: tuple[str, ...]) -> None:
    """What the client says that it left out."""
    for field in fields:
        if number := getattr(sent, f"dropped_{field}_count"):
            attributes[DROPPED.replace("attributes", field)] = text(number)
