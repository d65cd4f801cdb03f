"""Entries of Loki streams to canonical records: what a stream has in common is encoded once.

A record is put together from five parts, thousands of records at a time:

    {"severity":"info","service":"shop","time": | 1790000000000000000 | ,"body": | "paid" |
    ,"attributes":{...},"resource":{...}}
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain, repeat

import msgspec

from tailrace.core import limits
from tailrace.core.errors import InputError, TooLarge
from tailrace.core.frame import Codec
from tailrace.wire.content import Content
from tailrace.wire.fitting import SHORT_LINE, check_attributes, check_decoded, shortened
from tailrace.wire.rows import encode_resource

_SERVICE = ("service_name", "service", "app", "job")
_SEVERITY = ("level", "detected_level", "severity")
# Records are made for so many bytes of entries at a time, each with what it costs as objects.
_WINDOW_BYTES = 4 * limits.MIB
_ENTRY_BYTES = limits.KIB
_LEVELS = frozenset(_SEVERITY)
_SPECIAL = frozenset(("trace_id", "span_id", *_SEVERITY))
_RECORD_BYTES = 3 * limits.LINE_BYTES
_BODY, _ATTRIBUTES = b',"body":', b',"attributes":'

_encoder = msgspec.json.Encoder()


class Stream:
    """What the records of one stream start and end with. Raises TooLarge ("resource")."""

    __slots__ = ("bare", "cost", "end", "start")

    def __init__(self, labels: Mapping[str, str]) -> None:
        service = {"service": _first(_SERVICE, labels)}
        # Of records whose metadata say how severe they are.
        self.bare = _start(service)
        self.start = _start({"severity": _first(_SEVERITY, labels), **service})
        self.end = b',"resource":%b}\n' % bytes(encode_resource(labels))
        self.cost = _ENTRY_BYTES + len(self.start) + len(self.end)

    def around(self, metadata: Mapping[str, str]) -> tuple[bytes, bytes]:
        """Start and end of a record that has metadata of its own."""
        if _SPECIAL.isdisjoint(metadata):
            return self.start, _ATTRIBUTES + _encoder.encode(metadata) + self.end
        severity = "" if _LEVELS.isdisjoint(metadata) else _first(_SEVERITY, metadata)
        found: dict[str, object] = {"attributes": metadata}
        if severity:
            found["severity"] = severity
        if trace_id := metadata.get("trace_id"):
            found["trace_id"] = trace_id
        if span_id := metadata.get("span_id"):
            found["span_id"] = span_id
        end = b"," + _encoder.encode(found)[1:-1] + self.end
        return (self.bare if severity else self.start), end


class Entries:
    """Collects entries within the limits; `content` ends it.

    `times`, `lines`, `starts` and `ends` go together, place by place. Whoever adds to them takes
    the size of an entry and the `cost` of its stream from `room`, and calls `settle` when there is
    none: then the records that wait are a few times as large as their entries at most.
    A time of 0 is none. Lines beyond LINE_BYTES are cut with a mark, NUL in them becomes U+FFFD.
    """

    def __init__(self) -> None:
        self.times: list[int] = []
        self.lines: list[str] = []
        self.starts: list[bytes] = []
        self.ends: list[bytes] = []
        self.room = _WINDOW_BYTES
        self.repaired: dict[str, int] = {}
        self._bytes = 0
        self._rows = 0
        self._parts: list[bytes] = []

    def add(self, stream: Stream, time_ns: int, line: str, metadata: Mapping[str, str]) -> None:
        """One entry; a time outside (0, 2**63) is none. Raises what `around` and `settle` raise."""
        self.lines.append(line)
        self.times.append(time_ns if 0 < time_ns < 2**63 else 0)
        start, end = self.around(stream, metadata) if metadata else (stream.start, stream.end)
        self.starts.append(start)
        self.ends.append(end)
        self.room -= len(line) + stream.cost
        if self.room < 0:
            self.settle()

    def around(self, stream: Stream, metadata: Mapping[str, str]) -> tuple[bytes, bytes]:
        """Start and end of the record of the newest line. Raises TooLarge ("attributes")."""
        if len(metadata) > limits.ATTRIBUTES_PER_RECORD:
            check_attributes(len(metadata), f"record {self._rows + len(self.lines)}: ")
        return stream.around(metadata)

    def settle(self) -> None:
        """Make records of what waits. Raises TooLarge ("line_length", "expanded")."""
        if not self.lines:
            return
        texts = self._texts()
        times = _encoder.encode(self.times)[1:-1].split(b",")
        parts = zip(self.starts, times, repeat(_BODY), texts, self.ends, strict=False)
        records = b"".join(chain.from_iterable(parts))
        if len(records) > _RECORD_BYTES:
            self._check(texts)
        self._bytes += len(records)
        check_decoded(self._bytes)
        self._parts.append(records)
        self._rows += len(texts)
        for waiting in (self.times, self.lines, self.starts, self.ends):
            waiting.clear()
        self.room = _WINDOW_BYTES

    def content(self) -> Content:
        """All records. Raises InputError ("empty") when there is none."""
        self.settle()
        if not self._rows:
            raise InputError("body holds no record", "empty")
        return Content(
            Codec.RECORDS, b"".join(self._parts), self._rows, repaired=dict(self.repaired)
        )

    def repair(self, reason: str, count: int) -> None:
        """Count what was changed on the way in."""
        self.repaired[reason] = self.repaired.get(reason, 0) + count

    def _texts(self) -> list[bytes]:
        """Lines as JSON, which holds no newline."""
        if max(map(len, self.lines)) > SHORT_LINE:
            self.lines[:] = [shortened(line, self.repaired) for line in self.lines]
        encoded = _encoder.encode_lines(self.lines)
        # It may be written in the line itself, behind a backslash.
        if b"\\u0000" in encoded and (count := sum(line.count("\0") for line in self.lines)):
            self.repair("nul", count)
            encoded = _encoder.encode_lines([line.replace("\0", "\ufffd") for line in self.lines])
        return encoded.split(b"\n")[:-1]

    def _check(self, texts: list[bytes]) -> None:
        """Raises TooLarge ("line_length") for a record that is too long."""
        longest = sum(max(map(len, parts)) for parts in (self.starts, texts, self.ends))
        if longest <= _RECORD_BYTES:
            return
        for place, parts in enumerate(zip(self.starts, texts, self.ends, strict=True)):
            if sum(map(len, parts)) > _RECORD_BYTES:
                raise TooLarge(
                    f"record {self._rows + place + 1}: longer than {_RECORD_BYTES} bytes with "
                    "its attributes; shorten them",
                    "line_length",
                )


def _start(fields: Mapping[str, str]) -> bytes:
    known = {name: value for name, value in fields.items() if value}
    return _encoder.encode({**known, "time": 0})[:-2]


def _first(names: tuple[str, ...], values: Mapping[str, str]) -> str:
    for name in names:
        if value := values.get(name):
            return value
    return ""
