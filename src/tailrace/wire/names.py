"""Records of no known format: the fields with a column of their own are found by common names.

The names are those of core/names.py, so a record comes out alike from every door.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tailrace.core import names
from tailrace.wire.flat import flat, text
from tailrace.wire.times import time_ns

# name -> (field, place in its list)
_FIELDS: dict[str, tuple[str, int]] = {
    name: (field, place)
    for field, listed in {
        "time": names.TIME,
        "body": names.BODY,
        "severity": names.SEVERITY,
        "service": names.SERVICE,
        "host": names.HOST,
        "trace_id": names.TRACE_ID,
        "span_id": names.SPAN_ID,
    }.items()
    for place, name in enumerate(listed)
}


class Named(msgspec.Struct, gc=False):
    """`time_ns` is 0 when the record has no time that can be read; then it stays an attribute.

    `body` is None when no name of one is there. The other fields are texts, "" when missing;
    trace and span ids in lower case. `attributes` is everything else, flattened.
    """

    time_ns: int
    body: str | None
    severity: str
    service: str
    host: str
    trace_id: str
    span_id: str
    attributes: dict[str, Any]

    @property
    def fields(self) -> dict[str, str]:
        """What `Rows.add` takes as such."""
        return {
            "severity": self.severity,
            "service": self.service,
            "trace_id": self.trace_id,
            "span_id": self.span_id,
        }

    @property
    def resource(self) -> dict[str, str]:
        """What the record says of where it comes from."""
        found = {"service.name": self.service, "host.name": self.host}
        return {name: value for name, value in found.items() if value}


def named(record: Mapping[str, Any]) -> Named:
    """The fields of a record by their common names; nested ones by the rule of wire/flat.py."""
    attributes = flat(record.items())
    found: dict[str, tuple[int, str]] = {}
    for name in attributes.keys() & _FIELDS.keys():
        field, place = _FIELDS[name]
        if field not in found or place < found[field][0]:
            found[field] = (place, name)
    moment = time_ns(attributes[found["time"][1]]) if "time" in found else 0
    if moment:
        del attributes[found["time"][1]]

    def taken(field: str) -> str:
        return text(attributes.pop(found[field][1])) if field in found else ""

    return Named(
        moment,
        taken("body") if "body" in found else None,
        taken("severity"),
        taken("service"),
        taken("host"),
        taken("trace_id").lower(),
        taken("span_id").lower(),
        attributes,
    )
