"""A line that tells whether it is whole: `CRC32 SPACE JSON NEWLINE`, the checksum in 8 hex digits
over the JSON."""

from __future__ import annotations

import zlib
from typing import TypeVar

import msgspec

_T = TypeVar("_T", bound=msgspec.Struct)


def line(value: msgspec.Struct) -> bytes:
    """`value` as a line, with its newline."""
    text = msgspec.json.encode(value)
    return f"{zlib.crc32(text):08x} ".encode() + text + b"\n"


def parse(written: bytes, kind: type[_T]) -> _T | None:
    """What a line holds; None where it is torn or fails its checksum."""
    checksum, text = written[:8], written[9:-1]
    whole = written.endswith(b"\n") and text
    if not whole or f"{zlib.crc32(text):08x}".encode() != checksum:
        return None
    return msgspec.json.decode(text, type=kind)
