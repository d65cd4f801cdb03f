"""Canonical records, built one by one from a protocol's own messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tailrace.core import limits
from tailrace.core.errors import InputError, TooLarge
from tailrace.core.frame import Codec
from tailrace.wire.content import Content
from tailrace.wire.fitting import SHORT_LINE, body_of, check_attributes, check_decoded

_encoder = msgspec.json.Encoder()


class Record(msgspec.Struct, omit_defaults=True, gc=False):
    """A canonical record; empty fields are left out. `resource` is of `encode_resource`."""

    body: str
    resource: msgspec.Raw
    time: int = 0
    severity: str = ""
    service: str = ""
    trace_id: str = ""
    span_id: str = ""
    attributes: Mapping[str, Any] = {}


class Rows:
    """Collects records within the limits; `content` ends it."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._bytes = 0
        self._repaired: dict[str, int] = {}

    def add(
        self,
        time_ns: int,
        body: str,
        resource: msgspec.Raw,
        attributes: Mapping[str, Any],
        fields: Mapping[str, str],
    ) -> None:
        """One record. `fields`: severity, service, trace_id, span_id; empty ones are left out.

        Raises like `put`.
        """
        time_ns = time_ns if 0 < time_ns < 2**63 else 0
        self.put(Record(body, resource, time_ns, attributes=attributes, **fields))

    def put(self, record: Record) -> None:
        """One record; the caller's way when each of them counts.

        A body beyond LINE_BYTES is cut with a mark. Raises TooLarge for too many or too long
        attributes ("attributes", "line_length") and when all rows together pass DECODED_BYTES.
        """
        body = record.body
        if len(body) > SHORT_LINE or "\0" in body:
            record.body = body_of(body, self._repaired)
        if len(record.attributes) > limits.ATTRIBUTES_PER_RECORD:
            check_attributes(len(record.attributes), f"record {len(self._lines) + 1}: ")
        line = _encoder.encode(record)
        size = len(line) + 1
        if size > 3 * limits.LINE_BYTES:
            raise TooLarge(
                f"record {len(self._lines) + 1}: longer than {3 * limits.LINE_BYTES} bytes with "
                "its attributes; shorten them",
                "line_length",
            )
        self._bytes += size
        if self._bytes > limits.DECODED_BYTES:
            check_decoded(self._bytes)
        self._lines.append(line)

    def content(self) -> Content:
        """All rows. Raises InputError ("empty") when there is none."""
        if not self._lines:
            raise InputError("body holds no record", "empty")
        data = b"\n".join(self._lines) + b"\n"
        return Content(Codec.RECORDS, data, len(self._lines), repaired=self._repaired)

    @property
    def empty(self) -> bool:
        return not self._lines


def encode_resource(resource: Mapping[str, str]) -> msgspec.Raw:
    """A resource, encoded once for all of its rows. Raises TooLarge ("resource")."""
    if len(resource) > limits.RESOURCE_ATTRIBUTES:
        raise TooLarge(
            f"resource has {len(resource)} attributes, more than {limits.RESOURCE_ATTRIBUTES}",
            "resource",
        )
    for name, value in resource.items():
        if len(name) + len(value) > limits.LABEL_VALUE_BYTES:
            raise TooLarge(
                f"resource attribute or label is longer than {limits.LABEL_VALUE_BYTES} bytes",
                "resource",
            )
    return msgspec.Raw(_encoder.encode(resource))
