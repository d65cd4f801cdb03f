"""A frame that the engine reads otherwise than its header says, made readable row by row.

The slow way, for the rare frame: each line is parsed here, and a line that is no canonical record
becomes the body of one, marked with the attribute `tailrace.error`. Nothing is left out.
"""

from __future__ import annotations

from typing import Any

import msgspec

from tailrace.core import limits
from tailrace.core.frame import CANONICAL, Codec, Frame
from tailrace.core.payload import compress, expand

_MAX_TIME = 9_000_000_000_000_000_000


def readable(frame: Frame) -> Frame:
    """The same rows under the same identity, as canonical records. Raises InputError."""
    data = expand(frame.payload, limits.BODY_BYTES)
    rows = [_row(line, frame.header.codec) for line in data.split(b"\n") if line]
    rows += [_row(b"", Codec.LINES)] * (frame.header.rows - len(rows))
    encoded = b"\n".join(rows) + b"\n"
    header = msgspec.structs.replace(
        frame.header, codec=Codec.RECORDS, hints=CANONICAL, rows=len(rows)
    )
    return Frame(header, compress(encoded))


def _row(line: bytes, codec: Codec) -> bytes:
    if codec is Codec.RECORDS:
        try:
            record = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            record = None
        if isinstance(record, dict):
            return msgspec.json.encode(_canonical(record))
    text = line.decode("utf-8", "replace")
    return msgspec.json.encode({"body": text, "attributes": {"tailrace.error": "malformed"}})


def _canonical(record: dict[str, Any]) -> dict[str, Any]:
    """Known keys with the types the engine expects; anything else as attributes in text."""
    attributes: dict[str, str] = {}
    result: dict[str, Any] = {"attributes": attributes, "resource": {}}
    for key, value in record.items():
        if key in ("attributes", "resource") and isinstance(value, dict):
            result[key].update({name: _text(item) for name, item in value.items()})
        elif key in ("body", "severity", "service", "trace_id", "span_id"):
            result[key] = _text(value)
        elif key == "time" and isinstance(value, int) and 0 < value < _MAX_TIME:
            result[key] = value
        else:
            attributes[key] = _text(value)
            attributes["tailrace.error"] = "unexpected_field"
    return result


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
