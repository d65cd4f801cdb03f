"""One span of a trace: the row of a frame whose signal is spans."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

_Nanos = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Kind = Literal["", "internal", "server", "client", "producer", "consumer"]
Status = Literal["", "ok", "error"]


class Event(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Something that happened at `time` (UTC nanoseconds) within a span."""

    time: _Nanos = 0
    name: str = ""
    attributes: dict[str, str] = {}


class Link(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Another span that this one has to do with."""

    trace_id: str = ""
    span_id: str = ""
    trace_state: str = ""
    attributes: dict[str, str] = {}


class Span(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """`time` is its start, UTC nanoseconds; `duration` is nanoseconds. Ids are lower-case hex.

    Attributes are flattened as those of a record are; `resource` is what the application says of
    itself.
    """

    time: _Nanos
    name: str
    trace_id: str
    span_id: str
    duration: _Nanos = 0
    parent_span_id: str = ""
    trace_state: str = ""
    kind: Kind = ""
    service: str = ""
    status: Status = ""
    status_message: str = ""
    scope_name: str = ""
    scope_version: str = ""
    attributes: dict[str, str] = {}
    resource: dict[str, str] = {}
    events: list[Event] = []
    links: list[Link] = []


decoder = msgspec.json.Decoder(Span)
