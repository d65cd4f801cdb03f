"""Loki push bodies, JSON and protobuf, to canonical records.

    PushRequest { 1: Stream* }
    Stream      { 1: labels as text, 2: Entry* }
    Entry       { 1: Timestamp { 1: seconds, 2: nanoseconds }, 2: line, 3: Pair* }
    Pair        { 1: name, 2: value }

The messages follow the fields of Loki's documented push API. In protobuf entries are read straight
from the bytes where they have the form that clients written in Go and Rust send; anything else is
left to a protobuf library.
"""

from __future__ import annotations

from typing import Any

import msgspec
from google.protobuf import message

from tailrace.core.errors import InputError
from tailrace.wire import labels as label_strings
from tailrace.wire.content import Content
from tailrace.wire.density import check_density
from tailrace.wire.entries import Entries, Stream
from tailrace.wire.messages import classes
from tailrace.wire.text import repair_text

_STREAM = _LABELS = _STAMP = _NAME = 0x0A
_ENTRY = _LINE = _VALUE = 0x12
_PAIR = 0x1A
_SECONDS, _NANOS = 0x08, 0x10
# Seconds take five bytes from 1978 to 2128; with tags and the length of the timestamp:
_STAMP_BYTES = 9
_PAIR_BYTES = 6
_SECONDS_MOST = 2**63 // 10**9 - 4
# Names with lengths of their values that are remembered while a body is read.
_PAIRS = 4_096
# Bits of a varint that say "more follows", by its length; a fifth byte has three bits of 31.
_MORE_BITS = 0xF880808080
_MORE = (0, 0, 0x80, 0x8080, 0x808080, 0x80808080)
_messages = classes(
    "loki",
    {
        "Timestamp": [("seconds", 1, "int64"), ("nanos", 2, "int32")],
        "Pair": [("name", 1, "bytes"), ("value", 2, "bytes")],
        "Entry": [("timestamp", 1, "Timestamp"), ("line", 2, "bytes"), ("metadata", 3, "Pair*")],
        "Stream": [("labels", 1, "bytes"), ("entries", 2, "Entry*")],
        "Push": [("streams", 1, "Stream*")],
    },
)


class _Stream(msgspec.Struct, gc=False):
    stream: dict[str, str]
    values: list[Any] = []


class _Push(msgspec.Struct):
    streams: list[_Stream]


_decoder = msgspec.json.Decoder(_Push)


def decode_json(data: bytes) -> Content:
    """Records of a JSON push. Raises InputError ("json", "labels", "field", "empty"), TooLarge."""
    data, repaired = repair_text(data)
    try:
        push = _decoder.decode(data)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InputError(f"body is not a Loki push: {error}", "json") from error
    entries = Entries()
    for stream in push.streams:
        parts = Stream(stream.stream)
        for value in stream.values:
            entries.add(parts, *_entry(value))
    content = entries.content()
    content.repaired.update(repaired)
    return content


def _entry(value: Any) -> tuple[int, str, dict[str, str]]:
    if not (isinstance(value, list) and 2 <= len(value) <= 3 and isinstance(value[1], str)):
        raise InputError(
            'each of `values` must be ["<nanoseconds>", "<line>"] or the same with an object of '
            "structured metadata",
            "field",
        )
    metadata = value[2] if len(value) == 3 else {}
    if not isinstance(metadata, dict):
        raise InputError("structured metadata must be an object of strings", "field")
    text = str(value[0])
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        raise InputError("a timestamp in `values` must be a string of nanoseconds", "field")
    return int(text), value[1], {key: _as_text(item) for key, item in metadata.items()}


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def decode_protobuf(data: bytes) -> Content:
    """Records of a PushRequest. Raises InputError ("protobuf", "labels", "empty") and TooLarge."""
    try:
        return _Usual(data).read()
    except (_Unusual, IndexError):
        return _decode_any(data)


def _decode_any(data: bytes) -> Content:
    check_density(data)
    try:
        push: Any = _messages["Push"].FromString(data)
    except message.DecodeError as error:
        raise InputError(f"body is not a Loki push in protobuf: {error}", "protobuf") from error
    entries = Entries()
    for stream in push.streams:
        parts = Stream(label_strings.parse(stream.labels.decode(errors="replace")))
        for entry in stream.entries:
            time_ns = entry.timestamp.seconds * 1_000_000_000 + entry.timestamp.nanos
            metadata = {
                pair.name.decode(errors="replace"): pair.value.decode(errors="replace")
                for pair in entry.metadata
            }
            entries.add(parts, time_ns, _repaired(entry.line, entries), metadata)
    return entries.content()


def _repaired(line: bytes, entries: Entries) -> str:
    text = line.decode(errors="replace")
    if not text.isascii() and "\ufffd" in text:
        broken = text.count("\ufffd") - line.count(b"\xef\xbf\xbd")
        if broken:
            entries.repair("utf8", broken)
    return text


class _Unusual(Exception):
    """The bytes have another form than the one that is read here, or none."""


class _Usual:
    """Reads a push whose fields come in order, once each, and with the shortest lengths.

    Raises _Unusual, or IndexError at the end of the bytes.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._entries = Entries()
        # By their first bytes: of a timestamp up to its nanoseconds, of a pair up to its value.
        self._stamps: dict[bytes, tuple[int, int]] = {}
        self._pairs: dict[bytes, tuple[str, int]] = {}

    def read(self) -> Content:
        data = self._data
        position = 0
        while position < len(data):
            if data[position] != _STREAM:
                raise _Unusual
            size, position = self._size(position + 1)
            stop = position + size
            if not position < stop <= len(data) or data[position] != _LABELS:
                raise _Unusual
            size, position = self._size(position + 1)
            start, position = position, position + size
            if position > stop:
                raise _Unusual
            stream = Stream(label_strings.parse(data[start:position].decode(errors="replace")))
            self._read_entries(position, stop, stream)
            position = stop
        return self._entries.content()

    def _size(self, position: int) -> tuple[int, int]:
        """The length at `position`, and where it ends."""
        size, shift = 0, 0
        while (byte := self._data[position]) >= 0x80 and shift < 28:
            size |= (byte & 0x7F) << shift
            position, shift = position + 1, shift + 7
        return size | byte << shift, position + 1

    def _read_entries(self, position: int, stop: int, stream: Stream) -> None:
        """It turns for every entry: what is written out twice here is half of what it costs."""
        data, entries = self._data, self._entries
        times, lines, starts, ends = entries.times, entries.lines, entries.starts, entries.ends
        stamps, number = self._stamps, int.from_bytes
        room, cost = entries.room, stream.cost
        while position < stop:
            if data[position] != _ENTRY:
                raise _Unusual
            size = data[position + 1]
            if size < 0x80:
                position += 2
            elif (more := data[position + 2]) < 0x80:
                size += (more << 7) - 0x80
                position += 3
            else:
                size, position = self._size(position + 1)
            end = position + size
            stamp = data[position : position + _STAMP_BYTES]
            base_ns, place = stamps.get(stamp) or self._stamp(stamp)
            position += _STAMP_BYTES
            nanos = number(data[position : position + place], "little")
            if nanos & _MORE_BITS != _MORE[place]:
                raise _Unusual
            position += place
            if data[position] != _LINE:
                raise _Unusual
            size = data[position + 1]
            if size < 0x80:
                position += 2
            elif (more := data[position + 2]) < 0x80:
                size += (more << 7) - 0x80
                position += 3
            else:
                size, position = self._size(position + 1)
            start, position = position, position + size
            if position > end or end > stop:
                raise _Unusual
            try:
                lines.append(data[start:position].decode())
            except UnicodeDecodeError:
                lines.append(_repaired(data[start:position], entries))
            # Seven bits of each byte.
            low = (nanos & 0x7F) + (nanos >> 1 & 0x3F80) + (nanos >> 2 & 0x1FC000)
            high = (nanos >> 3 & 0xFE00000) + (nanos >> 4 & 0x70000000)
            times.append(base_ns + low + high)
            if position == end:
                starts.append(stream.start)
                ends.append(stream.end)
            else:
                metadata = self._metadata(position, end)
                before, after = entries.around(stream, metadata)
                starts.append(before)
                ends.append(after)
                position = end
            room -= cost + end - start
            if room < 0:
                entries.settle()
                room = entries.room
        entries.room = room

    def _stamp(self, stamp: bytes) -> tuple[int, int]:
        """Nanoseconds of the seconds of a timestamp, and how many bytes its nanoseconds take."""
        usual = (
            len(stamp) == _STAMP_BYTES
            and stamp[0] == _STAMP
            and stamp[2] == _SECONDS
            and stamp[8] == _NANOS
            and _STAMP_BYTES - 2 < stamp[1] <= _STAMP_BYTES + 3
            and min(stamp[3:7]) >= 0x80 > stamp[7]
        )
        if not usual:
            raise _Unusual
        seconds = sum((byte & 0x7F) << 7 * place for place, byte in enumerate(stamp[3:8]))
        if not 0 < seconds < _SECONDS_MOST:
            raise _Unusual
        found = self._stamps[stamp] = (seconds * 1_000_000_000, stamp[1] + 2 - _STAMP_BYTES)
        return found

    def _metadata(self, position: int, end: int) -> dict[str, str]:
        data, pairs = self._data, self._pairs
        found: dict[str, str] = {}
        while position < end:
            # A pair shorter than 128 bytes: tag, length, tag, length, name, tag, length, value.
            start = position + _PAIR_BYTES + data[position + 3]
            pair = data[position:start]
            name, size = pairs.get(pair) or self._pair(pair)
            position = start + size
            if position > end:
                raise _Unusual
            found[name] = data[start:position].decode(errors="replace")
        return found

    def _pair(self, pair: bytes) -> tuple[str, int]:
        """The name of a pair, and how long its value is."""
        if len(pair) < _PAIR_BYTES or pair[3] + _PAIR_BYTES != len(pair) or pair[1] >= 0x80:
            raise _Unusual
        size = pair[1] + 2 - len(pair)
        if (pair[0], pair[2], pair[-2], pair[-1]) != (_PAIR, _NAME, _VALUE, size):
            raise _Unusual
        found = (pair[4:-2].decode(errors="replace"), size)
        if len(self._pairs) < _PAIRS:
            self._pairs[pair] = found
        return found
