"""Canonical records of one message each, kept within the limits of a line and of its attributes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tailrace.core import limits
from tailrace.core.errors import TooLarge
from tailrace.wire.lines import cut_line

# Half of a line is the message's; the longest attributes go first when they take more.
_ATTRIBUTES_BYTES = limits.LINE_BYTES // 2
# Characters that surely fit an attribute and a line, whatever they are.
SHORT = limits.LABEL_VALUE_BYTES // 4
SHORT_LINE = limits.LINE_BYTES // 4

_encoder = msgspec.json.Encoder()


def count(counts: dict[str, int], reason: str, number: int = 1) -> None:
    """Add to a counter of `repaired` or `dropped`."""
    counts[reason] = counts.get(reason, 0) + number


def body_of(text: str, repaired: dict[str, int]) -> str:
    """`text` without NUL ("nul"), and cut with a mark to LINE_BYTES ("line_length")."""
    if "\0" in text:
        count(repaired, "nul", text.count("\0"))
        text = text.replace("\0", "\ufffd")
    return shortened(text, repaired)


def shortened(text: str, repaired: dict[str, int]) -> str:
    """`text`, cut with a mark to LINE_BYTES and counted, "line_length"."""
    if len(text) <= SHORT_LINE or len(data := text.encode()) <= limits.LINE_BYTES:
        return text
    count(repaired, "line_length")
    return cut_line(data).decode()


def check_attributes(number: int, before: str = "") -> None:
    """Raises TooLarge ("attributes") for more than a record may have; its words follow `before`."""
    if number > limits.ATTRIBUTES_PER_RECORD:
        raise TooLarge(
            f"{before}has {number} attributes, more than {limits.ATTRIBUTES_PER_RECORD}; put data "
            "into values, not into keys",
            "attributes",
        )


def check_decoded(size_bytes: int, repeated: str = "labels repeated for each row") -> None:
    """Raises TooLarge ("expanded") for rows of a body that are more than is held of one."""
    if size_bytes > limits.DECODED_BYTES:
        raise TooLarge(
            f"body decodes to more than {limits.DECODED_BYTES} bytes, {repeated}; send smaller "
            "batches",
            "expanded",
        )


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
