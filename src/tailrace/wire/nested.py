"""NDJSON whose objects hold objects, rewritten by the rule of wire/flat.py, line by line.

Every other value stays as it was written: numbers keep their digits, null stays null. The store
reads only what is at the top of a record.
"""

from __future__ import annotations

from typing import Any

import msgspec

from tailrace.core import limits
from tailrace.wire.fitting import check_decoded

# Fractions and numbers of any length keep the digits that they were written with.
_decode = msgspec.json.Decoder(dict[str, Any], float_hook=msgspec.Raw).decode
_encode = msgspec.json.Encoder().encode


def flattened(data: bytes, rows: int) -> bytes:
    """`data`, which is `rows` valid lines of objects; the same object when none holds another.

    Raises TooLarge ("expanded") beyond DECODED_BYTES.
    """
    if data.count(b"{") == rows:
        return data
    found: list[bytes] = []
    total = 0
    for line in data.split(b"\n"):
        flat = _flat(line) if line.count(b"{") > 1 else line
        total += len(flat) + 1
        if total > limits.DECODED_BYTES:
            check_decoded(total, "the names of objects repeated for each part")
        found.append(flat)
    return b"\n".join(found)


def _flat(line: bytes) -> bytes:
    try:
        values = _decode(line)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return line  # the check knows better
    if dict not in map(type, values.values()):
        return line  # the braces are in arrays, or in texts
    found: dict[str, Any] = {}
    _put(found, "", values, limits.NESTED_DEPTH + 1)
    return _encode(found)


def _put(found: dict[str, Any], prefix: str, values: dict[str, Any], depth: int) -> None:
    for name, value in values.items():
        if type(value) is dict and value and depth > 1:
            _put(found, f"{prefix}{name}.", value, depth - 1)
        else:
            found[prefix + name] = value
