"""Fluent Forward: messages of Fluentd, Fluent Bit and fluent-logger to canonical records.

    message = [tag, when, record, option?]
            | [tag, [entry, ...], option?]
            | [tag, entries one after the other as text or binary, option?], perhaps compressed
            | nil, which says nothing
    entry   = [when, record]
    when    = time | [time, metadata], which is what Fluent Bit sends from 5.0.5 on
    time    = seconds, or an EventTime of seconds and nanoseconds
    option  = {"chunk": an id to acknowledge, "compressed": "gzip" or "zstd", ...}

Fluent Bit marks groups of entries by entries of the times -1 and -2, which are no records.

Source: https://github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1.5
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from tailrace.core import limits, names
from tailrace.core.errors import InputError, TooLarge, Unsupported
from tailrace.wire import encoding, msgpack
from tailrace.wire.content import Content
from tailrace.wire.fitting import count, short, trimmed
from tailrace.wire.flat import flat
from tailrace.wire.msgpack import Moment
from tailrace.wire.names import Named, named
from tailrace.wire.rows import Rows, encode_resource

# Entries that are objects at the same time, which take many times their size.
_PIECE_BYTES = 512 * limits.KIB
# No entry that is longer makes a record.
ENTRY_BYTES = limits.MIB
_NIL = b"\xc0"
# The times -2 and -1 as an EventTime has them, whose seconds have no sign.
_GROUP_NS = (2**32 - 2) * 1_000_000_000
_TEXT = frozenset({str})
_PLAIN = frozenset({str, int, bool, float})


class Chunk(msgspec.Struct):
    """One message. `entries` holds them one after the other; `chunk` is the id to acknowledge, ""
    where none is asked for."""

    tag: str
    entries: bytes
    chunk: str


def read(message: bytes, limit_bytes: int = limits.BODY_BYTES) -> Chunk | None:
    """The message in one object, expanded to at most `limit_bytes`; None when it says nothing.

    Raises InputError ("msgpack", "gzip", "zstd"), TooLarge ("expanded") and Unsupported ("signal")
    for metrics and traces, which are not of this protocol.
    """
    if message == _NIL:
        return None
    spans = _elements(message)
    tag = msgpack.content(message, *spans[0]) if spans else None
    if tag is None or len(spans) < 2:
        raise InputError("a message is an array of a tag and entries", "msgpack")
    start, end = spans[1]
    packed = msgpack.content(message, start, end)
    first = msgpack.inside(message, start)
    # What is first in an array of entries is an array too.
    is_when = first is not None and first < end and msgpack.inside(message, first) is None
    is_event = packed is None and (first is None or is_when)
    if is_event and len(spans) < 3:
        raise InputError("a message with a time has no record", "msgpack")
    option = _option(message, spans[3 if is_event else 2 :])
    if is_event:
        entries = b"\x92" + message[start : spans[2][1]]
    else:
        entries = message[first:end] if packed is None else _expanded(packed, option, limit_bytes)
    return Chunk(tag.decode(errors="replace"), entries, _text(option.get("chunk")))


def decode(chunk: Chunk, rows: Rows, peer: str, repaired: dict[str, int]) -> None:
    """Adds the records of a message to `rows`, with the sender's address as an attribute.

    `repaired` counts what was changed: "utf8", "attributes" (left out), and what is no record and
    was left out: "malformed", "oversize", "group". Raises InputError ("msgpack") and TooLarge
    ("expanded").
    """
    for entries in _pieces(chunk.entries, repaired):
        for entry in msgpack.decode(entries, repaired):
            try:
                parts = _parts(entry)
            except RecursionError:
                parts = None
            if parts is None:
                count(repaired, "malformed")
            elif parts[0] >= _GROUP_NS:
                count(repaired, "group")
            else:
                _add(rows, chunk.tag, peer, *parts, repaired)


def content(rows: Rows, repaired: dict[str, int]) -> list[Content]:
    """What `decode` added, if it is anything."""
    if rows.empty:
        return []
    found = rows.content()
    return [msgspec.structs.replace(found, repaired={**found.repaired, **repaired})]


def _elements(message: bytes) -> list[tuple[int, int]]:
    """Where each element of an array begins and ends; at most four of them are read."""
    position = msgpack.inside(message, 0)
    if position is None:
        raise InputError("a message is an array", "msgpack")
    found: list[tuple[int, int]] = []
    while position < len(message) and len(found) < 4:
        end = msgpack.end_of(message, position)
        found.append((position, end))
        position = end
    return found


def _option(message: bytes, spans: list[tuple[int, int]]) -> dict[Any, Any]:
    if not spans:
        return {}
    start, end = spans[0]
    if end - start > limits.HEADER_BYTES:
        raise TooLarge(f"options are longer than {limits.HEADER_BYTES} bytes", "expanded")
    found = msgpack.decode(message[start:end], {})
    option = {_text(key): value for key, value in found.items()} if isinstance(found, dict) else {}
    if option.get("fluent_signal", 0) != 0:
        raise Unsupported("only logs are taken; send metrics and traces as OTLP", "signal")
    return option


def _expanded(packed: bytes, option: dict[Any, Any], limit_bytes: int) -> bytes:
    kind = _text(option.get("compressed"))
    return packed if kind in ("", "text") else encoding.expand(packed, kind, limit_bytes)


def _pieces(entries: bytes, repaired: dict[str, int]) -> Iterator[bytes]:
    """Some entries at a time, each piece an array."""
    start = position = number = 0
    while position < len(entries):
        end = msgpack.end_of(entries, position)
        if end - position > ENTRY_BYTES:
            count(repaired, "oversize")
            if number:
                yield _array(entries[start:position], number)
            start, number = end, 0
        else:
            number += 1
            if end - start > _PIECE_BYTES:
                yield _array(entries[start:end], number)
                start, number = end, 0
        position = end
    if number:
        yield _array(entries[start:], number)


def _array(entries: bytes, number: int) -> bytes:
    return b"\xdd" + number.to_bytes(4, "big") + entries


def _parts(entry: Any) -> tuple[int, dict[str, Any], dict[str, Any]] | None:
    """Time in nanoseconds, record and metadata; None when it is no entry."""
    if not (isinstance(entry, list) and len(entry) >= 2 and isinstance(entry[1], dict)):
        return None
    time, record = entry[0], _plain(entry[1])
    metadata: dict[str, Any] = {}
    if isinstance(time, list):
        metadata = _plain(time[1]) if len(time) > 1 and isinstance(time[1], dict) else {}
        time = time[0] if time else 0
    return _nanoseconds(time), record, metadata


def _nanoseconds(time: Any) -> int:
    """0 where it is no time."""
    if isinstance(time, Moment):
        return int(time)
    if isinstance(time, datetime):
        time = time.timestamp()
    if isinstance(time, bool) or not isinstance(time, int | float) or not 0 < time < 2**33:
        return 0
    return time * 1_000_000_000 if isinstance(time, int) else round(time * 1_000_000) * 1_000


def _add(
    rows: Rows,
    tag: str,
    peer: str,
    time_ns: int,
    record: dict[str, Any],
    metadata: dict[str, Any],
    repaired: dict[str, int],
) -> None:
    written = {name: record[name] for name in names.TIME if name in record} if time_ns else {}
    found = named(record)
    attributes = found.attributes
    if written:
        # The entry's time is the record's; what the record says itself stays to be read.
        attributes |= flat(written.items())
        found.time_ns = time_ns
    found.time_ns = time_ns or found.time_ns
    attributes |= flat(metadata.items())
    attributes["fluent.tag"] = tag
    attributes["network.peer.address"] = peer
    resource = _resource(short(found.service, repaired), short(found.host or peer, repaired))
    try:
        rows.put(found.record(resource))
    except TooLarge as error:
        if error.reason == "expanded":
            raise
        found.attributes = trimmed(attributes, repaired)
        _put_shorter(rows, found, resource, repaired)


def _put_shorter(rows: Rows, found: Named, resource: msgspec.Raw, repaired: dict[str, int]) -> None:
    """With fewer attributes, which may not be enough: a byte of a body may take six as JSON."""
    try:
        rows.put(found.record(resource))
    except TooLarge as error:
        if error.reason == "expanded":
            raise
        count(repaired, "oversize")


@lru_cache(maxsize=1024)
def _resource(service: str, host: str) -> msgspec.Raw:
    found = {"service.name": service, "host.name": host}
    return encode_resource({name: value for name, value in found.items() if value})


def _plain(value: dict[Any, Any]) -> dict[str, Any]:
    """A record as JSON could hold it; the same object when it is that already."""
    if _TEXT.issuperset(map(type, value)) and _PLAIN.issuperset(map(type, value.values())):
        return value
    return {
        key if type(key) is str else _text(key): inner
        if type(inner) in _PLAIN
        else _jsonable(inner)
        for key, inner in value.items()
    }


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return _plain(value)
    if isinstance(value, list | tuple):
        return [inner if type(inner) in _PLAIN else _jsonable(inner) for inner in value]
    if isinstance(value, Moment):
        return int(value)
    return value if value is None else _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, datetime):
        return value.isoformat()
    return "" if value is None else str(value)
