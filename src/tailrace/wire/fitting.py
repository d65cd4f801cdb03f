"""Canonical records of one message each, kept within the limits of a line and of its attributes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tailrace.core import limits
from tailrace.wire.lines import cut_line

# Half of a line is the message's; the longest attributes go first when they take more.
_ATTRIBUTES_BYTES = limits.LINE_BYTES // 2
SHORT = limits.LABEL_VALUE_BYTES // 4  # characters that surely fit

_encoder = msgspec.json.Encoder()


def count(counts: dict[str, int], reason: str, number: int = 1) -> None:
    """Add to a counter of `repaired` or `dropped`."""
    counts[reason] = counts.get(reason, 0) + number


def fitted(record: Mapping[str, Any], body: str, repaired: dict[str, int]) -> bytes:
    """The record with its body as JSON within LINE_BYTES; a character may take six bytes there.

    A body that is too long is cut with a mark and counted as "line_length".
    """
    line = _encoder.encode({**record, "body": body})
    if len(line) <= limits.LINE_BYTES:
        return line
    count(repaired, "line_length")
    data = body.encode()
    room = min(len(data), limits.LINE_BYTES - len(_encoder.encode({**record, "body": ""})))
    while len(line) > limits.LINE_BYTES:
        line = _encoder.encode({**record, "body": cut_line(data, room).decode()})
        room //= 2
    return line


def trimmed(attributes: dict[str, str], repaired: dict[str, int]) -> dict[str, str]:
    """Without the longest where they are too many or too long; each is counted, "attributes"."""
    fits = len(_encoder.encode(attributes)) <= _ATTRIBUTES_BYTES
    if fits and len(attributes) <= limits.ATTRIBUTES_PER_RECORD:
        return attributes
    sizes = {name: len(_encoder.encode((name, value))) for name, value in attributes.items()}
    total = sum(sizes.values())
    for name in sorted(sizes, key=sizes.__getitem__, reverse=True):
        if total <= _ATTRIBUTES_BYTES and len(attributes) <= limits.ATTRIBUTES_PER_RECORD:
            break
        total -= sizes[name]
        del attributes[name]
        count(repaired, "attributes")
    return attributes


def short(text: str, repaired: dict[str, int]) -> str:
    """The value of an attribute, cut to LABEL_VALUE_BYTES and counted, "attributes"."""
    if len(text) <= SHORT:
        return text
    data = text.encode()
    if len(data) <= limits.LABEL_VALUE_BYTES:
        return text
    count(repaired, "attributes")
    return cut_line(data, limits.LABEL_VALUE_BYTES).decode()
