"""Whatever an application logs, as a value that JSON has: bounded, and without an exception."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tailrace.core import limits

_WORD = 2**63
_TEXTUAL = frozenset({"datetime", "decimal", "ipaddress", "pathlib", "uuid"})
_MARK = "…"


def plain(value: Any) -> Any:
    """`value` as str, int, float, bool, list or dict.

    None is "". Numbers that JSON cannot hold and times, decimals, paths and UUIDs are their text;
    other objects are their repr. Nested values end with "…" where they are too deep or too many.
    """
    kind = type(value)
    if kind is str:
        return value if len(value) <= limits.APP_VALUE_CHARS else cut(value)
    if kind is int:
        return value if -_WORD <= value < _WORD else _number(value)
    if kind is bool:
        return value
    if kind is float:
        return value if math.isfinite(value) else str(value)
    if value is None:
        return ""
    try:
        return _nested(value, _Room(), 0)
    except Exception:  # a value's own code ran
        return f"<{kind.__name__} that cannot be read>"


def cut(text: str, chars: int = limits.APP_VALUE_CHARS) -> str:
    """`text`, or its beginning and a mark."""
    return text if len(text) <= chars else text[: chars - 1] + _MARK


def cut_middle(text: str) -> str:
    """`text`, or its first quarter, a mark and its end: what a traceback says last says most."""
    chars = limits.APP_VALUE_CHARS
    if len(text) <= chars:
        return text
    head = chars // 4
    return f"{text[:head]}\n{_MARK}\n{text[head + 3 - chars :]}"


def clean(value: Any) -> Any:
    """A plain value without halves of characters, which no record may hold."""
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {clean(key): clean(item) for key, item in value.items()}
    if isinstance(value, list):
        return [clean(item) for item in value]
    return value


class _Room:
    """How many more parts one value may have."""

    def __init__(self) -> None:
        self.parts = limits.APP_PARTS


def _nested(value: Any, room: _Room, depth: int) -> Any:
    room.parts -= 1
    if room.parts < 0 or depth > limits.APP_DEPTH:
        return _MARK
    if isinstance(value, Mapping):
        return _pairs(value, room, depth + 1)
    if isinstance(value, list | tuple | set | frozenset):
        items: list[Any] = []
        for item in value:
            if room.parts <= 0:
                items.append(_MARK)
                break
            items.append(_nested(item, room, depth + 1))
        return items
    return _single(value)


def _pairs(value: Mapping[Any, Any], room: _Room, depth: int) -> dict[str, Any]:
    pairs: dict[str, Any] = {}
    # Of a plain dict a copy at once: another thread may be changing it.
    for key, item in list(value.items()) if isinstance(value, dict) else value.items():
        if room.parts <= 0:
            pairs[_MARK] = _MARK
            break
        pairs[shown_name(key)] = _nested(item, room, depth)
    return pairs


def shown_name(key: Any) -> str:
    """A key as the name of an attribute, as long as one may be."""
    if type(key) is str and len(key) <= limits.APP_NAME_CHARS:
        return key
    return cut(str.__str__(key) if isinstance(key, str) else repr(key), limits.APP_NAME_CHARS)


def _single(value: Any) -> Any:
    """Subclasses are their plain kind: an enumeration's member is its value."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return cut(str.__str__(value))
    if isinstance(value, int):
        number = int.__index__(value)
        return number if -_WORD <= number < _WORD else _number(number)
    if isinstance(value, float):
        real = float.__float__(value)
        return real if math.isfinite(real) else str(real)
    if isinstance(value, bytes | bytearray):
        return cut(repr(bytes(value[: limits.APP_VALUE_CHARS])))
    if type(value).__module__.partition(".")[0] in _TEXTUAL:
        return cut(str(value))
    return cut(repr(value))


def _number(value: int) -> str:
    """Python refuses to write very long numbers in decimal."""
    try:
        return cut(str(value))
    except ValueError:
        return cut(hex(value))
