"""Bodies of Splunk's HTTP Event Collector: JSON events one behind the other, and raw lines.

    {"time": 1790000000.25, "host": "h1", "source": "app", "event": "paid"}{"event": {"a": 1}}

Between two events there may be whitespace or nothing; an array of events is taken too. What the
envelope says of its origin is named as OpenTelemetry names it. Source: Splunk's documentation of
the collector, "Format events for HTTP Event Collector" and "Troubleshoot HTTP Event Collector".
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import msgspec

from tailrace.core import limits, names
from tailrace.core.errors import InputError, TooLarge
from tailrace.core.frame import Codec, Signal
from tailrace.core.plain import HEAD_BYTES, LEVEL_WORD
from tailrace.wire import lines, samples
from tailrace.wire.content import Content
from tailrace.wire.flat import text
from tailrace.wire.names import named
from tailrace.wire.rows import Rows, encode_resource
from tailrace.wire.samples import Sample
from tailrace.wire.text import repair_text
from tailrace.wire.times import time_ns

SUCCESS, NO_TOKEN, BAD_AUTHORIZATION, BAD_TOKEN, NO_DATA, BAD_DATA = 0, 2, 3, 4, 5, 6
BUSY, NO_CHANNEL, BAD_CHANNEL, NO_EVENT, BLANK_EVENT, BAD_FIELDS = 9, 10, 11, 12, 13, 15
HEALTHY, UNHEALTHY = 17, 18
TEXTS = {
    SUCCESS: "Success",
    NO_TOKEN: "Token is required",
    BAD_AUTHORIZATION: "Invalid authorization",
    BAD_TOKEN: "Invalid token",
    NO_DATA: "No data",
    BAD_DATA: "Invalid data format",
    BUSY: "Server is busy",
    NO_CHANNEL: "Data channel is missing",
    BAD_CHANNEL: "Invalid data channel",
    NO_EVENT: "Event field is required",
    BLANK_EVENT: "Event field cannot be blank",
    BAD_FIELDS: "Error in handling indexed fields",
    HEALTHY: "HEC is healthy",
    UNHEALTHY: "HEC is unhealthy, queues are full",
}
# Where the envelope's fields go.
ORIGIN = {
    "host": "host.name",
    "source": "com.splunk.source",
    "sourcetype": "com.splunk.sourcetype",
    "index": "com.splunk.index",
}
_METRIC = "metric_name"
_MALFORMED = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)


class Refused(InputError):
    """With the code that Splunk's clients know, and the 0-based number of the event."""

    def __init__(self, code: int, event: int | None = None, why: str = "") -> None:
        where = "" if event is None else f" (event {event})"
        super().__init__(f"{TEXTS[code]}{where}{': ' if why else ''}{why}", "hec")
        self.code = code
        self.event = event


class _Event(msgspec.Struct, gc=False):
    event: msgspec.Raw
    time: Any = None
    host: Any = None
    source: Any = None
    sourcetype: Any = None
    index: Any = None
    fields: msgspec.Raw = msgspec.Raw(b"{}")

    def origin(self, default: dict[str, str]) -> dict[str, str]:
        """By the names of `ORIGIN`; what the event says wins."""
        said = {name: text(getattr(self, key)) for key, name in ORIGIN.items()}
        return default | {name: value for name, value in said.items() if value}


_event: Callable[[bytes | str], _Event] = msgspec.json.Decoder(_Event).decode
_events = msgspec.json.Decoder(_Event).decode_lines
_array = msgspec.json.Decoder(list[_Event]).decode
_object: Callable[[msgspec.Raw], dict[str, Any]] = msgspec.json.Decoder(dict[str, Any]).decode
_any = msgspec.json.Decoder().decode


def decode(data: bytes, origin: dict[str, str], now_ns: int) -> list[Content]:
    """Logs and samples of a body of events; `origin` holds, by the names of `ORIGIN`, what the
    request says of all of them, and `now_ns` is for samples without a time.

    Raises Refused, and TooLarge ("events", "expanded", "attributes", "line_length", "resource").
    """
    data, repaired = repair_text(data)
    if not data or data.isspace():
        raise Refused(NO_DATA)
    if data.count(b"{") > limits.EVENT_OBJECTS:
        raise TooLarge(
            f"body holds more than {limits.EVENT_OBJECTS} objects; send smaller batches", "events"
        )
    found = _Body(origin, now_ns)
    for number, event in enumerate(_parsed(data)):
        found.take(number, event)
    return found.contents(repaired)


def decode_raw(data: bytes, origin: dict[str, str], time: str = "") -> Content:
    """A body of lines; with a `time` all of them have it. Raises Refused and TooLarge."""
    if not data or data.isspace():
        raise Refused(NO_DATA)
    content = lines.decode(data, origin)
    moment = time_ns(time) if time else 0
    if not moment:
        return content
    rows = Rows()
    resource = encode_resource(origin)
    for line in content.data.decode().rstrip("\n").split("\n"):
        level = re.search(LEVEL_WORD, line[:HEAD_BYTES])
        rows.add(moment, line, resource, {}, {"severity": level[1].upper() if level else ""})
    timed = rows.content()
    timed.repaired = content.repaired
    return timed


def _parsed(data: bytes) -> list[_Event]:
    try:
        found = _array(data) if data.lstrip()[:1] == b"[" else _events(data)
    except _MALFORMED as error:
        raise _refusal(data.decode()) from error
    if not found:
        raise Refused(NO_DATA)
    return found


def _refusal(data: str) -> Refused:
    """What is wrong with the first event that is not one; the slow way."""
    scan = json.JSONDecoder().raw_decode
    number, position = 0, 0
    while position < len(data):
        if data[position] in " \t\r\n[,":
            position += 1
            continue
        try:
            _, end = scan(data, position)
            _event(data[position:end])
        except msgspec.ValidationError as error:
            missing = "missing required field `event`" in str(error)
            return Refused(NO_EVENT if missing else BAD_DATA, number, "" if missing else str(error))
        except (ValueError, RecursionError):
            break
        number, position = number + 1, end
    return Refused(BAD_DATA, number, "is no JSON object")


class _Body:
    """The rows and samples of one body."""

    def __init__(self, origin: dict[str, str], now_ns: int) -> None:
        self._rows = Rows()
        self._samples: list[Sample] = []
        self._origin = origin
        self._now_ns = now_ns
        self._resources: dict[tuple[tuple[str, str], ...], msgspec.Raw] = {}

    def contents(self, repaired: dict[str, int]) -> list[Content]:
        found: list[Content] = []
        if not self._rows.empty:
            found.append(self._rows.content())
        if self._samples:
            data = samples.encode(self._samples)
            try:
                samples.check(data)
            except InputError as error:
                raise Refused(BAD_FIELDS, None, str(error)) from error
            count = len(self._samples)
            found.append(Content(Codec.RECORDS, data, count, signal=Signal.METRICS))
        found[0].repaired.update(repaired)
        return found

    def take(self, number: int, event: _Event) -> None:
        fields = _fields(number, event)
        raw = bytes(event.event)
        if raw == b"null":
            raise Refused(NO_EVENT, number)
        if raw == b'""':
            raise Refused(BLANK_EVENT, number)
        if raw == b'"metric"' and any(name.startswith(_METRIC) for name in fields):
            self._measure(number, event, fields)
        else:
            self._record(number, event, raw, fields)

    def _record(self, number: int, event: _Event, raw: bytes, fields: dict[str, Any]) -> None:
        """The envelope's time wins over the event's, and the event's fields over `fields`."""
        record = fields
        if raw[:1] == b"{":
            record = {**fields, **_decoded(number, event.event)}
            if not any(name in record for name in names.BODY):
                record[names.BODY[0]] = raw.decode()
        else:
            value = _decoded(number, event.event)
            record[names.BODY[0]] = value if isinstance(value, str) else raw.decode()
        if event.time is not None:
            record[names.TIME[0]] = event.time
        found = named(record)
        origin = {"host.name": found.host, "service.name": found.service}
        origin = {name: value for name, value in origin.items() if value}
        self._rows.put(found.record(self._resource(origin | event.origin(self._origin))))

    def _resource(self, origin: dict[str, str]) -> msgspec.Raw:
        key = tuple(origin.items())
        known = self._resources.get(key)
        if known is None:
            known = self._resources[key] = encode_resource(origin)
        return known

    def _measure(self, number: int, event: _Event, fields: dict[str, Any]) -> None:
        """Samples of `metric_name:NAME` fields, or of `metric_name` with `_value`."""
        values = {
            name.partition(":")[2]: value
            for name, value in fields.items()
            if name.startswith(f"{_METRIC}:")
        }
        if _METRIC in fields:
            values[text(fields[_METRIC])] = fields.get("_value")
        moment = time_ns(event.time) or self._now_ns
        attributes = event.origin(self._origin) | {
            name: text(value)
            for name, value in fields.items()
            if name != "_value" and not name.startswith(_METRIC)
        }
        for name, value in values.items():
            try:
                measured = float(value)
            except (TypeError, ValueError, OverflowError) as error:
                raise Refused(BAD_FIELDS, number, "a metric's value must be a number") from error
            self._samples.append(Sample(moment, name, measured, attributes=attributes))


def _fields(number: int, event: _Event) -> dict[str, Any]:
    try:
        return {} if bytes(event.fields) == b"null" else _object(event.fields)
    except _MALFORMED as error:
        raise Refused(BAD_FIELDS, number, "fields must be an object") from error


def _decoded(number: int, raw: msgspec.Raw) -> Any:
    try:
        return _any(raw)
    except _MALFORMED as error:
        raise Refused(BAD_DATA, number, str(error)) from error
