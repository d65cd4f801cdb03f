"""A frame that the engine reads otherwise than its header says, made readable row by row.

The slow way, for the rare frame: each line is parsed here, and a line that is no record becomes
the body of one, marked with the attribute `tailrace.error`. Nothing is left out. A value that the
engine can read is handed on as it was written, so a row comes out as it would have the fast way;
of a top-level key that stands twice the last one holds. A line of metrics that is no sample can
become none, nor one of spans that is no span: then nobody can read the frame.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from tailrace.core import limits, names, sample, span
from tailrace.core.frame import CANONICAL, Codec, Frame, Header, Hints, Signal
from tailrace.core.payload import compress, expand

_Values = dict[str, msgspec.Raw]
_object = msgspec.json.Decoder(_Values)
_UINT64 = 1 << 64
_TEXTS = ("severity", "body", "service", "trace_id", "span_id")
_MICROS = {"s": 1_000_000, "ms": 1_000, "us": 1}
_LATEST_MICROS = 9e15
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DECODERS: Mapping[Signal, Callable[[bytes], msgspec.Struct]] = {
    Signal.METRICS: sample.decode,
    Signal.SPANS: span.decode,
}


def readable(frame: Frame) -> Frame:
    """The same rows under the same identity, as canonical records. Raises InputError."""
    header = frame.header
    lines = [line for line in expand(frame.payload, limits.BODY_BYTES).split(b"\n") if line]
    if decode := _DECODERS.get(header.signal):
        rows = [msgspec.json.encode(decode(line)) for line in lines]
    else:
        rows = [_row(line, header) for line in lines]
        rows += [_malformed(b"")] * (header.rows - len(rows))
    encoded = b"\n".join(rows) + b"\n"
    header = msgspec.structs.replace(header, codec=Codec.RECORDS, hints=CANONICAL, rows=len(rows))
    return Frame(header, compress(encoded))


def _row(line: bytes, header: Header) -> bytes:
    hints = header.hints
    if header.codec is not Codec.RECORDS:
        return _malformed(line, hints.newline)
    try:
        values = _object.decode(line)
        hosted = "host.name" in header.resource
        record = _foreign(values, hints, line, hosted) if hints.foreign else _canonical(values)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _malformed(line)
    return msgspec.json.encode(record)


def _malformed(line: bytes, newline: str = "") -> bytes:
    text = line.decode("utf-8", "replace")
    text = text.replace(newline, "\n") if newline else text
    return msgspec.json.encode({"body": text, "attributes": {"tailrace.error": "malformed"}})


def _canonical(values: _Values) -> dict[str, object]:
    """Known keys as they are where the engine takes them; anything else as attributes."""
    record: dict[str, object] = {}
    unexpected: dict[str, object] = {}
    for key, value in values.items():
        kind = bytes(value)[:1]
        if key in _TEXTS or (key in ("attributes", "resource") and kind in (b"{", b"n")):
            record[key] = value
        elif key == "time" and (time_ns := _uint64(bytes(value))) is not None:
            record[key] = time_ns
        elif key != "time" or kind != b"n":
            unexpected[key] = value
    if unexpected:
        given = values.get("attributes", msgspec.Raw(b"{}"))
        attributes = _object.decode(given) if bytes(given)[:1] == b"{" else {}
        record["attributes"] = {**attributes, **unexpected, "tailrace.error": "unexpected_field"}
    return record


def _uint64(value: bytes) -> int | None:
    try:
        number = int(value)
    except ValueError:
        return None
    return number if 0 <= number < _UINT64 else None


def _foreign(values: _Values, hints: Hints, line: bytes, hosted: bool) -> dict[str, object]:
    """The fields by their names, as `store.decode` reads them; the rest as attributes."""
    record: dict[str, object] = {"body": line.decode("utf-8", "replace")}
    rest: dict[str, object] = dict(values)
    listed = names.of(hints)
    found = {
        field: next(name for name in of_field if name in values)
        for field, of_field in listed.items()
        if not values.keys().isdisjoint(of_field)
    }
    for field, name in found.items():
        text = _text(values[name])
        if field == "time":
            time_ns = _time_ns(text, hints.time_unit)
            if not 0 < time_ns < _UINT64:
                continue
            record["time"] = time_ns
        elif field == "host":
            if hosted:
                continue
            record["resource"] = {"host.name": text}
        else:
            record[field] = text.lower() if field.endswith("_id") else text
        del rest[name]
    # The foreign form keeps the word null, the canonical one would read it as nothing.
    record["attributes"] = {
        key: "null" if value == msgspec.Raw(b"null") else value for key, value in rest.items()
    }
    return record


def _text(value: msgspec.Raw) -> str:
    """A string without its quotes, anything else as its JSON."""
    raw = bytes(value)
    return msgspec.json.decode(raw, type=str) if raw[:1] == b'"' else raw.decode()


def _time_ns(text: str, unit: str) -> int:
    """Nanoseconds, or 0 for a time that is none; units as in `Hints`, `auto` by size."""
    try:
        number = float(text)
        if unit not in (*_MICROS, "ns"):
            sizes = ((1e11, "s"), (1e14, "ms"), (1e17, "us"))
            unit = next((name for size, name in sizes if number < size), "ns")
        if unit not in _MICROS:
            return int(text)
        if number * _MICROS[unit] >= _LATEST_MICROS:
            return 0
        whole = text.removeprefix("-").isdecimal()
        return (int(text) * _MICROS[unit] if whole else round(number * _MICROS[unit])) * 1000
    except (ValueError, OverflowError):
        pass
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return 0
    since = (time if time.tzinfo else time.replace(tzinfo=UTC)) - _EPOCH
    return since // timedelta(microseconds=1) * 1000
