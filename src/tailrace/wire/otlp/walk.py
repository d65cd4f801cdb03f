"""OTLP in protobuf, walked just as deep as the records: counted, and cut into requests.

    ExportLogsServiceRequest { 1: ResourceLogs* }
    ResourceLogs             { 1: resource, 2: ScopeLogs*, 3: schema URL }
    ScopeLogs                { 1: scope, 2: LogRecord*, 3: schema URL }

Requests of traces and metrics are built alike, of spans and metrics instead of log records.
Source: opentelemetry-proto, */v1, and https://protobuf.dev/programming-guides/encoding/. What
the records hold is not looked at, so this needs no protobuf library. Groups, which protobuf gave
up long ago, are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tailrace.core.errors import TooLarge
from tailrace.wire.fields import fields

_GROUP = 0x0A  # field 1, of a length
_INNER = 0x12  # field 2, of a length: ScopeLogs, LogRecord and their like
# Ends of a field and of two lengths around a record.
_AROUND_BYTES = 3 * 6


class Request(NamedTuple):
    """One Export*ServiceRequest and the number of its records."""

    data: bytes
    rows: int


class _Field(NamedTuple):
    """`start` is where its tag begins; the value is from `inner` to `end`."""

    tag: int
    start: int
    inner: int
    end: int


def count(data: bytes) -> int:
    """The number of records. Raises InputError ("protobuf")."""
    return sum(
        record.tag == _INNER
        for group in _fields(data, 0, len(data))
        if group.tag == _GROUP
        for scope in _fields(data, group.inner, group.end)
        if scope.tag == _INNER
        for record in _fields(data, scope.inner, scope.end)
    )


def split(data: bytes, limit_bytes: int, limit_rows: int) -> Iterator[Request]:
    """Requests with the same records in the same order, none where there is none.

    A record that alone is larger than `limit_bytes` becomes a request of its own. Data that fits
    is given as it is. Raises InputError ("protobuf"), and TooLarge ("resource") for a resource and
    scope that take half of `limit_bytes`: they are repeated in each request.
    """
    rows = count(data)
    if len(data) <= limit_bytes and rows <= limit_rows:
        if rows:
            yield Request(data, rows)
        return
    parts = _Parts()
    for heads, record in _records(data):
        head_bytes = sum(map(len, heads))
        if head_bytes > limit_bytes // 2:
            raise TooLarge(
                f"a resource and its scope take more than {limit_bytes // 2} bytes", "resource"
            )
        coming = len(record) + head_bytes + _AROUND_BYTES
        if parts.rows and (parts.size + coming > limit_bytes or parts.rows >= limit_rows):
            yield parts.end()
        parts.add(heads, record)
    yield parts.end()


class _Parts:
    """A request being put together. Successive records of one scope share its heads."""

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self.size = 0
        self.rows = 0
        self._heads: tuple[bytes, bytes] | None = None
        self._records: list[bytes] = []
        self._done: list[bytes] = []

    def add(self, heads: tuple[bytes, bytes], record: bytes) -> None:
        if heads is not self._heads:
            self._close()
            self._heads = heads
            self.size += sum(map(len, heads)) + _AROUND_BYTES
        self._records.append(record)
        self.size += len(record)
        self.rows += 1

    def _close(self) -> None:
        if self._heads is not None:
            resource, scope = self._heads
            inner = _nested(_INNER, b"".join([scope, *self._records]))
            self._done.append(_nested(_GROUP, resource + inner))
            self._records = []

    def end(self) -> Request:
        self._close()
        found = Request(b"".join(self._done), self.rows)
        self._clear()
        return found


def _records(data: bytes) -> Iterator[tuple[tuple[bytes, bytes], bytes]]:
    """Each record with its tag, and the fields beside it in its scope and in its resource."""
    for group in _fields(data, 0, len(data)):
        if group.tag != _GROUP:
            continue
        resource = _head(data, group)
        for scope in _fields(data, group.inner, group.end):
            if scope.tag != _INNER:
                continue
            heads = (resource, _head(data, scope))
            for record in _fields(data, scope.inner, scope.end):
                if record.tag == _INNER:
                    yield heads, data[record.start : record.end]


def _head(data: bytes, of: _Field) -> bytes:
    parts = _fields(data, of.inner, of.end)
    return b"".join(data[part.start : part.end] for part in parts if part.tag != _INNER)


def _fields(data: bytes, position: int, end: int) -> Iterator[_Field]:
    for tag, inner, stop in fields(data, position, end):
        yield _Field(tag, position, inner, stop)
        position = stop


def _nested(tag: int, value: bytes) -> bytes:
    """A field with a length."""
    return bytes([tag]) + encode_varint(len(value)) + value


def encode_varint(number: int) -> bytes:
    """A number as protobuf writes it."""
    out = bytearray()
    while number > 0x7F:
        out.append(0x80 | (number & 0x7F))
        number >>= 7
    out.append(number)
    return bytes(out)
