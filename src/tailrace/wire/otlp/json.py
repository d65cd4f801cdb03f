"""OTLP in JSON: hex ids, int64 as number or text, lowerCamelCase; unknown fields are skipped.

Structs carry the field names of the protobuf messages. Texts that stand for numbers ("12", "NaN",
"Infinity") are read as such where a number belongs. Nothing here needs a protobuf library.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from tailrace.wire.fitting import check_attributes
from tailrace.wire.flat import flat
from tailrace.wire.otlp.form import BAD_ID
from tailrace.wire.text import repair_text

_is_hex = re.compile(r"[0-9a-fA-F]*").fullmatch


# Numbers that protobuf has, and Python's floats hold.
Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Int32 = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class Message(msgspec.Struct, rename="camel", frozen=True, gc=False):
    """Base of the messages."""


class Value(Message, frozen=True):
    string_value: str | None = None
    bool_value: bool | None = None
    int_value: Int64 | None = None
    double_value: float | None = None
    bytes_value: str | None = None
    array_value: Values | None = None
    kvlist_value: Pairs | None = None


class Values(Message, frozen=True):
    values: tuple[Value, ...] = ()


class Pair(Message, frozen=True):
    key: str = ""
    value: Value | None = None


class Pairs(Message, frozen=True):
    values: tuple[Pair, ...] = ()


class Scope(Message, frozen=True):
    name: str = ""
    version: str = ""
    attributes: tuple[Pair, ...] = ()


class Resource(Message, frozen=True):
    attributes: tuple[Pair, ...] = ()


class JsonForm:
    """See Form. One for each request; `messages` are those that are opened one at a time."""

    errors: tuple[type[Exception], ...] = (
        msgspec.MsgspecError,
        RecursionError,
        UnicodeDecodeError,
    )
    reason = "json"

    def __init__(self, request: type[Message], *messages: type[Message]) -> None:
        self.repaired: dict[str, int] = {}
        self._request = msgspec.json.Decoder(request, strict=False)
        self._decoders = {
            kind.__name__: msgspec.json.Decoder(kind, strict=False) for kind in messages
        }

    def request(self, data: bytes) -> Any:
        data, repaired = repair_text(data)
        self.repaired.update(repaired)
        return self._request.decode(data or b"{}")

    def opener(self, message: str) -> Callable[[Any], Any]:
        return self._decoders[message].decode

    def text(self, raw: str) -> str:
        return raw

    def trace_id(self, raw: str) -> str:
        return self._id(raw, 16)

    def span_id(self, raw: str) -> str:
        return self._id(raw, 8)

    def _id(self, raw: str, size_bytes: int) -> str:
        if len(raw) == 2 * size_bytes and _is_hex(raw) and raw.strip("0"):
            return raw.lower()
        if raw.strip("0"):
            self.repaired[BAD_ID] = self.repaired.get(BAD_ID, 0) + 1
        return ""

    def value(self, raw: Value | None) -> Any:
        if raw is None:
            return None
        if raw.array_value is not None:
            return [self.value(item) for item in raw.array_value.values]
        if raw.kvlist_value is not None:
            return {pair.key: self.value(pair.value) for pair in raw.kvlist_value.values}
        scalars = (
            raw.string_value, raw.int_value, raw.bool_value, raw.double_value, raw.bytes_value,
        )  # fmt: skip
        return next((found for found in scalars if found is not None), None)

    def attributes(self, raw: tuple[Pair, ...]) -> dict[str, Any]:
        check_attributes(len(raw))
        found = flat((pair.key, self.value(pair.value)) for pair in raw)
        check_attributes(len(found))
        return found

    def has(self, message: Any, field: str) -> bool:
        return getattr(message, field) is not None
