"""The one rule by which nested values become attributes, whatever the protocol.

An object becomes its parts, named with a dot between: {"a": {"b": 1}} is "a.b". An array stays one
value, its JSON text; so does an empty object, and one inside NESTED_DEPTH others. Nothing is an
empty text, and a number that JSON cannot say is its name ("nan", "inf").
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import msgspec

from tailrace.core import limits
from tailrace.core.errors import TooLarge

_PLAIN = frozenset({str, int, bool})
_encoder = msgspec.json.Encoder()


def flat(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Attributes by dotted name; texts, numbers and booleans as they are, anything else as text.

    A name that comes twice has its last value. Raises TooLarge ("attributes") for objects with
    more parts than ATTRIBUTES_PER_RECORD, or with names beyond LABEL_VALUE_BYTES.
    """
    found: dict[str, Any] = {}
    for name, value in pairs:
        if type(value) in _PLAIN:
            found[name] = value
        elif type(value) is dict and value:
            _put(found, name, value, limits.NESTED_DEPTH)
        else:
            found[name] = _single(value)
    return found


def is_flat(record: dict[str, Any]) -> bool:
    """Whether `flat` would give back the same."""
    return _PLAIN.issuperset(map(type, record.values()))


def texts(pairs: Iterable[tuple[str, Any]]) -> dict[str, str]:
    """The same with every value as text."""
    return {name: text(value) for name, value in flat(pairs).items()}


def text(value: Any) -> str:
    """Strings as they are, nothing as "", anything else as JSON text."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return str(value) if _is_odd(value) else _encoder.encode(value).decode()


def _put(found: dict[str, Any], prefix: str, value: dict[str, Any], depth: int) -> None:
    for key, inner in value.items():
        name = _joined(prefix, key)
        if type(inner) in _PLAIN:
            found[name] = inner
        elif type(inner) is dict and inner and depth > 1:
            _put(found, name, inner, depth - 1)
        else:
            found[name] = _single(inner)
    if len(found) > limits.ATTRIBUTES_PER_RECORD:
        raise TooLarge(
            f"has more than {limits.ATTRIBUTES_PER_RECORD} attributes; put data into values, "
            "not into keys",
            "attributes",
        )


def _joined(name: str, key: str) -> str:
    """Bounded, because a name is repeated for each of its parts."""
    if len(name) + len(key) >= limits.LABEL_VALUE_BYTES:
        raise TooLarge(
            f"the name of a nested attribute is longer than {limits.LABEL_VALUE_BYTES} characters",
            "attributes",
        )
    return f"{name}.{key}"


def _single(value: Any) -> Any:
    odd = isinstance(value, (dict, list)) or value is None or _is_odd(value)
    return text(value) if odd else value


def _is_odd(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
