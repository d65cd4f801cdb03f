"""Records of no known format: the fields with a column of their own are found by common names.

The names are those of core/names.py, so a record comes out alike from every door.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

from tailrace.core import names
from tailrace.wire.flat import flat, is_flat, text
from tailrace.wire.rows import Record
from tailrace.wire.times import time_ns

_FIELDS = (
    names.TIME,
    names.BODY,
    names.SEVERITY,
    names.SERVICE,
    names.HOST,
    names.TRACE_ID,
    names.SPAN_ID,
)


class Named(msgspec.Struct, gc=False):
    """`time_ns` is 0 when the record has no time that can be read; then it stays an attribute.

    `body` is the whole record as JSON when no name of one is there. The other fields are texts, ""
    when missing; trace and span ids in lower case. `attributes` is everything else, flattened.
    """

    time_ns: int
    body: str
    severity: str
    service: str
    host: str
    trace_id: str
    span_id: str
    attributes: dict[str, Any]

    def record(self, resource: msgspec.Raw) -> Record:
        """For `Rows.put`."""
        return Record(
            self.body,
            resource,
            self.time_ns,
            self.severity,
            self.service,
            self.trace_id,
            self.span_id,
            self.attributes,
        )

    @property
    def resource(self) -> dict[str, str]:
        """What the record says of where it comes from."""
        found = {"service.name": self.service, "host.name": self.host}
        return {name: value for name, value in found.items() if value}


def named(record: dict[str, Any]) -> Named:
    """The fields of a record by their common names; nested ones by the rule of wire/flat.py.

    The record is used up: what is left of it may become the attributes.
    """
    attributes = record if is_flat(record) else flat(record.items())
    time, body, severity, service, host, trace_id, span_id = _places(tuple(attributes))
    message = "" if body else text(record)
    moment = time_ns(attributes[time]) if time else 0
    if moment:
        del attributes[time]
    pop = attributes.pop
    return Named(
        moment,
        text(pop(body)) if body else message,
        text(pop(severity)) if severity else "",
        text(pop(service)) if service else "",
        text(pop(host)) if host else "",
        text(pop(trace_id)).lower() if trace_id else "",
        text(pop(span_id)).lower() if span_id else "",
        attributes,
    )


@lru_cache(maxsize=1024)
def _places(keys: tuple[str, ...]) -> tuple[str, ...]:
    """The name of each field among these keys, "" where there is none; records come alike."""
    return tuple(next((name for name in listed if name in keys), "") for listed in _FIELDS)
