"""What is in the rows of a frame, as limits of tenants need to know it: read at C speed, no row is
kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import msgspec
import xxhash

from tailrace.core import limits
from tailrace.core.frame import Codec, Header, Signal
from tailrace.wire.lines import long_lines
from tailrace.wire.ndjson import Decoder
from tailrace.wire.split import piece_end

_PIECE_BYTES = 128 * limits.KIB
# The least that a key and its value take: `"k":0,`.
_PAIR_BYTES = 6
_keys: Decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NONE = msgspec.Raw(b"{}")


class Survey(msgspec.Struct):
    """`rows` by service, "" where a row names none. `label_sets`: hashes of what makes a row's
    stream or series: service and resource, or name and attributes of a sample.

    `attributes` and `labels`: the most that one row has, where that is beyond the limit.
    `long_line`: one is beyond its limit.
    """

    rows: Counter[str]
    label_sets: set[int]
    attributes: int = 0
    labels: int = 0
    long_line: bool = False


def survey(
    data: bytes, header: Header, line_bytes: int = 0, attributes: int = 0, labels: int = 0
) -> Survey:
    """Of rows that were checked before; `data` is the payload of `header`, expanded. A limit of 0
    is none."""
    found = Survey(Counter(), set())
    found.long_line = bool(line_bytes) and any(
        end - start > line_bytes for start, end in long_lines(data, line_bytes)
    )
    if header.codec is not Codec.RECORDS:
        found.rows[""] = header.rows
        found.label_sets.add(0)
        return found
    if header.hints.foreign and attributes:
        lines = long_lines(data, _PAIR_BYTES * attributes)
        found.attributes = _most((data[start:end] for start, end in lines), attributes)
    decoder = _decoder(header.signal is Signal.METRICS, header.hints.service)
    start = 0
    while start < len(data):
        end = piece_end(data, start, _PIECE_BYTES)
        _count(found, _rows(decoder, data[start:end]), attributes, labels)
        start = end
    return found


class _Record(msgspec.Struct, gc=False):
    service: Any = ""
    resource: msgspec.Raw = _NONE
    attributes: msgspec.Raw = _NONE


class _Sample(msgspec.Struct, gc=False):
    name: Any = ""
    resource: msgspec.Raw = msgspec.field(default=_NONE, name="attributes")
    service = ""
    attributes = _NONE


@lru_cache(maxsize=64)
def _decoder(series: bool, service: str) -> Decoder:
    if series:
        return msgspec.json.Decoder(_Sample)
    if service == "service":
        return msgspec.json.Decoder(_Record)
    foreign = msgspec.defstruct(
        "Foreign", [("service", Any, "")], rename={"service": service}, bases=(_Named,), gc=False
    )
    return msgspec.json.Decoder(foreign)


class _Named(msgspec.Struct, gc=False):
    """A foreign record: all its keys are attributes, which are counted elsewhere."""

    resource = _NONE
    attributes = _NONE


def _rows(decoder: Decoder, piece: bytes) -> list[Any]:
    try:
        rows: list[Any] = decoder.decode_lines(piece)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        rows = [decoder.type()] * (piece.count(b"\n") + (not piece.endswith(b"\n")))
    return rows


def _count(found: Survey, rows: list[Any], attributes: int, labels: int) -> None:
    found.rows.update([row.service if isinstance(row.service, str) else "" for row in rows])
    sets = {(getattr(row, "name", row.service), bytes(row.resource)) for row in rows}
    for name, resource in sets:
        text = str(name).encode(errors="replace") + b"\0" + resource
        found.label_sets.add(xxhash.xxh3_64_intdigest(text))
    if labels:
        found.labels = max(found.labels, _most((resource for _, resource in sets), labels))
    if attributes:
        objects = (bytes(row.attributes) for row in rows)
        found.attributes = max(found.attributes, _most(objects, attributes))


def _most(objects: Iterable[bytes], limit: int) -> int:
    """Keys of the object that has most of them, 0 when none passes `limit`."""
    most = 0
    for raw in objects:
        if len(raw) > _PAIR_BYTES * limit and raw.count(b":") > limit:
            try:
                most = max(most, len(_keys.decode(raw)))
            except (msgspec.MsgspecError, RecursionError):
                continue
    return most if most > limit else 0
