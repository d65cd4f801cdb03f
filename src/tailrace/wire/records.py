"""NDJSON records: checked whole at C speed, taken or refused whole.

Canonical records hold only the keys time, severity, body, service, trace_id, span_id, attributes
and resource, with the types of `_Canonical`. Anything else is foreign: any JSON objects, made flat
and read by the engine with hints.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated

import msgspec

from tailrace.core import limits
from tailrace.core.errors import InputError, TooLarge
from tailrace.core.frame import CANONICAL, Codec, Hints
from tailrace.wire import hints as hinting
from tailrace.wire.content import Content
from tailrace.wire.lines import long_lines
from tailrace.wire.ndjson import Decoder, read
from tailrace.wire.nested import flattened
from tailrace.wire.text import has_blank_line, repair_text

KEYS = frozenset(
    {"time", "severity", "body", "service", "trace_id", "span_id", "attributes", "resource"}
)
_RULES = {
    "time": "must be an integer of nanoseconds since 1970 (for other forms add ?time_unit=auto)",
    "severity": "must be a string",
    "body": "must be a string",
    "service": "must be a string",
    "trace_id": "must be a string",
    "span_id": "must be a string",
    "attributes": "must be an object",
    "resource": "must be an object",
}
# 513 attributes take at least this much, so shorter lines need not be counted.
_MANY_BYTES = 6 * limits.ATTRIBUTES_PER_RECORD


class _Object(msgspec.Struct, gc=False):
    """Any JSON object; its keys are skipped, not kept."""


class _Canonical(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    time: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None = None
    severity: str | None = None
    body: str | None = None
    service: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    attributes: _Object | None = None
    resource: _Object | None = None


_canonical: Decoder = msgspec.json.Decoder(_Canonical)
_raw: Decoder = msgspec.json.Decoder(msgspec.Raw)
_raws: Decoder = msgspec.json.Decoder(list[msgspec.Raw])
_keys: Decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


def decode(
    data: bytes, hints: Hints = CANONICAL, resource: dict[str, str] | None = None
) -> Content:
    """Records as they will be stored: NDJSON, an array of objects, or one object over many lines.

    Raises InputError ("empty", "json", "field") or TooLarge ("attributes", "line_length") that
    names the line, the field and what to do; then nothing of the body may be taken.
    """
    data, repaired = repair_text(data)
    data = _as_lines(data)
    if not data:
        raise InputError("body holds no record", "empty")
    _check_sizes(data)
    hints, rows = _checked(data, hints)
    if hints.foreign:
        flat = flattened(data, rows)
        if flat is not data:
            _check_sizes(data := flat)
    return Content(Codec.RECORDS, data, rows, hints, resource or {}, repaired)


def check(data: bytes, hints: Hints = CANONICAL) -> Hints:
    """The hints that every line of `data` can be read with: `hints`, or their foreign form.

    Raises InputError ("json", "field") for the first line that cannot.
    """
    return _checked(data, hints)[0]


def _checked(data: bytes, hints: Hints) -> tuple[Hints, int]:
    """What `check` says, and the rows, which it counts on the way."""
    if not hints.foreign:
        number, line = read(_canonical, data)
        if line is None:
            return hints, number
        if not _is_foreign(line):
            raise _explain(_canonical, number, line)
        hints = hinting.foreign(hints)
    decoder = _foreign(hints)
    number, line = read(decoder, data)
    if line is not None:
        raise _explain(decoder, number, line)
    return hints, number


@lru_cache(maxsize=64)
def _foreign(hints: Hints) -> Decoder:
    """Only the time has a type that matters: the rest is kept whatever it is."""
    try:
        record = msgspec.defstruct(
            "Foreign",
            [("time", int | float | str | None, None)],
            rename={"time": hints.time},
            gc=False,
        )
    except ValueError:
        raise InputError(
            "the key of the time must hold no quote, backslash or control character", "parameter"
        ) from None
    return msgspec.json.Decoder(record)


def _is_foreign(line: bytes) -> bool:
    """True when the line is an object with a key that no canonical record has."""
    try:
        return not KEYS.issuperset(_keys.decode(line))
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return False


def _explain(decoder: Decoder, number: int, line: bytes) -> InputError:
    try:
        _raw.decode(line)
        decoder.decode(line)
    except msgspec.ValidationError as error:
        found = re.search(r"`\$\.([a-z_]+)", str(error))
        field = found[1] if found else ""
        if field in _RULES and decoder is _canonical:
            return InputError(f"line {number}: `{field}` {_RULES[field]}", "field")
        if "` - at" in str(error):
            return InputError(f"line {number}: the time must be a number or a string", "field")
        return InputError(f"line {number}: must be a JSON object", "json")
    except RecursionError:
        return InputError(f"line {number}: is nested too deeply", "json")
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return InputError(f"line {number}: is not valid JSON: {error}", "json")
    return InputError(f"line {number}: holds more than one record", "json")


def _as_lines(data: bytes) -> bytes:
    """NDJSON without blank lines; the same object when it was that already."""
    start = data[:64].lstrip()[:1] or data.lstrip()[:1]
    newline = data.find(b"\n")
    first = data if newline < 0 else data[:newline]
    if start == b"[" or (newline >= 0 and not _parses(first)):
        data = _flattened(data, start == b"[")
    blank = has_blank_line(data) or data.startswith(b"\r")
    if blank or (b"\r" in data and b"\n\r\n" in data):
        return b"\n".join(line for line in data.split(b"\n") if line.strip())
    return data


def _parses(line: bytes) -> bool:
    try:
        _raw.decode(line)
    except (msgspec.MsgspecError, RecursionError):
        return False
    return True


def _flattened(data: bytes, array: bool) -> bytes:
    """An array, or objects laid out over several lines, as one object a line.

    Newlines inside JSON are layout: within strings they are escaped. Bytes that are no JSON come
    back unchanged, for the check to name the line.
    """
    try:
        items = _raws.decode(data) if array else _raw.decode_lines(data)
    except (msgspec.MsgspecError, RecursionError) as error:
        if array:
            raise InputError(
                f"body is not a valid JSON array of objects: {error}", "json"
            ) from error
        return data
    return b"\n".join(bytes(item).replace(b"\r", b" ").replace(b"\n", b" ") for item in items)


def _check_sizes(data: bytes) -> None:
    """Lines and the number of their attributes within the limits."""
    for start, end in long_lines(data, _MANY_BYTES):
        if end - start > limits.LINE_BYTES:
            raise TooLarge(
                f"line {_number(data, start)}: record is longer than {limits.LINE_BYTES} bytes; "
                "shorten its fields",
                "line_length",
            )
        if data.count(b":", start, end) > limits.ATTRIBUTES_PER_RECORD:
            _check_attributes(data, start, end)


def _check_attributes(data: bytes, start: int, end: int) -> None:
    try:
        keys = _keys.decode(data[start:end])
        nested = [_keys.decode(keys[key]) for key in ("attributes", "resource") if key in keys]
    except (msgspec.MsgspecError, RecursionError):
        return  # the check that follows says what is wrong
    for count in (len(keys), *map(len, nested)):
        if count > limits.ATTRIBUTES_PER_RECORD:
            raise TooLarge(
                f"line {_number(data, start)}: record has {count} attributes, more than "
                f"{limits.ATTRIBUTES_PER_RECORD}; put data into values, not into keys",
                "attributes",
            )


def _number(data: bytes, start: int) -> int:
    return data.count(b"\n", 0, start) + 1
