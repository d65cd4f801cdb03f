"""Records of no known format: the fields with a column of their own are found by common names.

The names are those of core/names.py, so a record comes out alike from every door.
"""

from __future__ import annotations

from typing import Any

import msgspec

from tailrace.core import limits, names
from tailrace.wire.flat import PLAIN, add, flat, single, text
from tailrace.wire.rows import Record, encode_resource
from tailrace.wire.times import time_ns

# The places of `_FIELDS` in a row of values.
_TIME, _BODY = 0, 1
_FIELDS = (
    names.TIME,
    names.BODY,
    names.SEVERITY,
    names.SERVICE,
    names.HOST,
    names.TRACE_ID,
    names.SPAN_ID,
)


_PLACES = {name: place for place, listed in enumerate(_FIELDS) for name in listed}
# outer name -> inner name -> place
_NESTED: dict[str, dict[str, int]] = {}
for _name, _place in _PLACES.items():
    if "." in _name:
        _outer, _inner = _name.split(".")
        _NESTED.setdefault(_outer, {})[_inner] = _place
_NONE: dict[str, int] = {}
_place_of = _PLACES.get
_nested_in = _NESTED.get


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


def named(record: dict[str, Any]) -> Named:
    """The fields of a record by their common names; nested ones by the rule of wire/flat.py."""
    attributes = flat(record.items())
    keys = tuple(attributes)
    time, body, severity, service, host, trace_id, span_id = _shapes.get(keys) or _places(keys)
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


# What `_places` gave for the keys of records, which come alike. Keys are whatever somebody sends.
_shapes: dict[tuple[str, ...], tuple[str, ...]] = {}


def _places(keys: tuple[str, ...]) -> tuple[str, ...]:
    """The name of each field among these keys, "" where there is none."""
    found = tuple(next((name for name in listed if name in keys), "") for listed in _FIELDS)
    if sum(map(len, keys)) <= limits.RECORD_SHAPE_CHARS:
        if len(_shapes) >= limits.RECORD_SHAPES:
            _shapes.clear()
        _shapes[keys] = found
    return found


class Reader:
    """Makes records of decoded objects, as `named` reads them; for one body."""

    def __init__(self) -> None:
        self._resources: dict[tuple[str, str], msgspec.Raw] = {}

    def record(self, record: dict[str, Any], said: dict[str, Any]) -> Record:
        """The record, with attributes that the door adds, `said`. Raises TooLarge ("resource")."""
        attributes = said.copy()
        values = _quick(record, attributes)
        moment = time_ns(values[_TIME]) if values else 0
        if not (values and values[_BODY] is not None and (moment or values[_TIME] is None)):
            found = named(record)
            found.attributes = said | found.attributes
            return found.record(self.resource(found.service, found.host))
        _, body, severity, service, host, trace_id, span_id = values
        return Record(
            body,
            self.resource(service or "", host or ""),
            moment,
            severity or "",
            service or "",
            trace_id.lower() if trace_id else "",
            span_id.lower() if span_id else "",
            attributes,
        )

    def resource(self, service: str, host: str) -> msgspec.Raw:
        """Encoded once for all the rows that share it."""
        known = self._resources.get((service, host))
        if known is None:
            pairs = {"service.name": service, "host.name": host}
            known = encode_resource({name: value for name, value in pairs.items() if value})
            self._resources[(service, host)] = known
        return known


def _quick(record: dict[str, Any], attributes: dict[str, Any]) -> list[Any] | None:
    """The values of `_FIELDS`, each None when missing, and everything else put into `attributes`.

    None for a record that needs a second look: with two names of one field, or one that is no
    text. It is one pass, because this is what a document costs.
    """
    values: list[Any] = [None] * len(_FIELDS)
    for name, value in record.items():
        kind = type(value)
        if kind is dict and value:
            inside = _nested_in(name, _NONE)
            for key, inner in value.items():
                place = inside.get(key)
                if place is None:
                    if type(inner) in PLAIN:
                        attributes[f"{name}.{key}"] = inner
                    else:
                        add(attributes, f"{name}.{key}", inner, 1)
                elif values[place] is None and type(inner) is str:
                    values[place] = inner
                else:
                    return None
        elif (place := _place_of(name)) is None:
            attributes[name] = value if kind in PLAIN else single(value)
        elif values[place] is None and (kind is str or (place == _TIME and value is not None)):
            values[place] = value
        else:
            return None
    return values
