"""The one rule by which nested values become attributes, whatever the protocol.

An object becomes its parts, named with a dot between: {"a": {"b": 1}} is "a.b". An array stays one
value, its JSON text; so does an empty object, one inside NESTED_DEPTH others, and one whose parts
would have names beyond LABEL_VALUE_BYTES. Nothing is an empty text, and a number that JSON cannot
say is its name ("nan", "inf").
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import msgspec

from tailrace.core import limits
from tailrace.wire.fitting import check_attributes

# Types whose values stay as they are.
PLAIN = frozenset({str, int, bool})
_encoder = msgspec.json.Encoder()


def flat(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Attributes by dotted name; texts, numbers and booleans as they are, anything else as text.

    A name that comes twice has its last value. Raises TooLarge ("attributes") for objects with
    more parts than ATTRIBUTES_PER_RECORD.
    """
    found: dict[str, Any] = {}
    for name, value in pairs:
        if type(value) in PLAIN:
            found[name] = value
        elif type(value) is dict and value:
            _put(found, name, value, limits.NESTED_DEPTH)
        else:
            found[name] = single(value)
    return found


def add(found: dict[str, Any], name: str, value: Any, depth: int = 0) -> None:
    """Put one value among attributes; `depth` is how many objects it is in already."""
    if type(value) is dict and value and depth < limits.NESTED_DEPTH:
        _put(found, name, value, limits.NESTED_DEPTH - depth)
    else:
        found[name] = single(value)


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
    if len(prefix) + max(map(len, value)) >= limits.LABEL_VALUE_BYTES:
        found[prefix] = text(value)  # a name is repeated for each of its parts
        return
    for key, inner in value.items():
        name = f"{prefix}.{key}"
        if type(inner) in PLAIN:
            found[name] = inner
        elif type(inner) is dict and inner and depth > 1:
            _put(found, name, inner, depth - 1)
        else:
            found[name] = single(inner)
    if len(found) > limits.ATTRIBUTES_PER_RECORD:
        check_attributes(len(found))


def single(value: Any) -> Any:
    """A value that is not taken apart."""
    odd = isinstance(value, (dict, list)) or value is None or _is_odd(value)
    return text(value) if odd else value


def _is_odd(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
