"""One span of a trace: the row of a frame whose signal is spans."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from tailrace.core import limits, rows

_Nanos = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Name = Annotated[str, msgspec.Meta(max_length=limits.LABEL_VALUE_BYTES)]
_TraceId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{1,32}\Z")]
_SpanId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{1,16}\Z")]
_MaybeTraceId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{0,32}\Z")]
_MaybeSpanId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{0,16}\Z")]
_Attributes = Annotated[dict[str, str], msgspec.Meta(max_length=limits.ATTRIBUTES_PER_RECORD)]
_Resource = Annotated[dict[str, str], msgspec.Meta(max_length=limits.RESOURCE_ATTRIBUTES)]
Kind = Literal["", "internal", "server", "client", "producer", "consumer"]
Status = Literal["", "ok", "error"]


class Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Something that happened at `time` (UTC nanoseconds) within a span."""

    time: _Nanos = 0
    name: _Name = ""
    attributes: _Attributes = {}


class Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Another span that this one has to do with."""

    trace_id: _MaybeTraceId = ""
    span_id: _MaybeSpanId = ""
    trace_state: _Name = ""
    attributes: _Attributes = {}


class Span(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """`time` is its start, UTC nanoseconds; `duration` is nanoseconds. Ids are lower-case hex.

    Attributes are flattened as those of a record are; `resource` is what the application says of
    itself. Of the bounds here only a decoder takes notice.
    """

    time: _Nanos
    name: _Name
    trace_id: _TraceId
    span_id: _SpanId
    duration: _Nanos = 0
    parent_span_id: _MaybeSpanId = ""
    trace_state: _Name = ""
    kind: Kind = ""
    service: _Name = ""
    status: Status = ""
    status_message: str = ""
    scope_name: _Name = ""
    scope_version: _Name = ""
    attributes: _Attributes = {}
    resource: _Resource = {}
    events: Annotated[list[Event], msgspec.Meta(max_length=limits.EVENTS_PER_SPAN)] = []
    links: Annotated[list[Link], msgspec.Meta(max_length=limits.LINKS_PER_SPAN)] = []


decoder = msgspec.json.Decoder(Span)


def decode(line: bytes) -> Span:
    """The span of one line. Raises InputError ("json" when it is none, "field" for a bound)."""
    return rows.decode(decoder, line, "span")
