"""The one rule by which nested values become attributes, whatever the protocol.

An object becomes its parts, named with a dot between: {"a": {"b": 1}} is "a.b". An array stays one
value, its JSON text; so does an empty object. Nothing is an empty text, and a number that JSON
cannot say is its name ("nan", "inf").
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from tailrace.core import limits
from tailrace.core.errors import TooLarge

_encoder = msgspec.json.Encoder()


def flat(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Attributes by dotted name; texts, numbers and booleans as they are, anything else as text.

    A name that comes twice has its last value. Raises TooLarge ("attributes") for objects with
    more parts than ATTRIBUTES_PER_RECORD, or with names beyond LABEL_VALUE_BYTES.
    """
    found: dict[str, Any] = {}
    for name, value in pairs:
        if type(value) is str:
            found[name] = value
        else:
            _put(found, name, value)
    return found


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


def _put(found: dict[str, Any], name: str, value: Any) -> None:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            _put(found, _joined(name, key), inner)
        if len(found) > limits.ATTRIBUTES_PER_RECORD:
            raise TooLarge(
                f"has more than {limits.ATTRIBUTES_PER_RECORD} attributes; put data into values, "
                "not into keys",
                "attributes",
            )
    elif isinstance(value, (Mapping, list)) or value is None or _is_odd(value):
        found[name] = text(value)
    else:
        found[name] = value


def _joined(name: str, key: str) -> str:
    """Bounded, because a name is repeated for each of its parts."""
    if len(name) + len(key) >= limits.LABEL_VALUE_BYTES:
        raise TooLarge(
            f"the name of a nested attribute is longer than {limits.LABEL_VALUE_BYTES} characters",
            "attributes",
        )
    return f"{name}.{key}"


def _is_odd(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
