"""The forms of an answer: which one is asked for, and how the engine's bytes become it."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

import msgspec

from tailrace.core.errors import QueryError


@dataclass(frozen=True)
class Field:
    """A column of an answer: its name and the engine's type."""

    name: str
    type: str


Encode = Callable[[Sequence[Field], AsyncIterator[bytes]], AsyncIterator[bytes]]


@dataclass(frozen=True)
class Format:
    """`form` is the engine's; `encode` makes the answer of its pieces."""

    name: str
    media_type: str
    form: str
    encode: Encode


async def _as_it_is(fields: Sequence[Field], pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for piece in pieces:
        yield piece


async def _lines(fields: Sequence[Field], pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Whole lines in each piece: an error that follows one is a line of its own."""
    rest: list[bytes] = []
    async for piece in pieces:
        head, newline, tail = piece.rpartition(b"\n")
        if newline:
            yield b"".join([*rest, head, newline])
            rest.clear()
        rest.append(tail)
    if last := b"".join(rest):
        yield last


async def _csv(fields: Sequence[Field], pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """A line of names first."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow([one.name for one in fields])
    yield line.getvalue().encode()
    async for piece in pieces:
        yield piece


async def _json(fields: Sequence[Field], pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """`{"meta":[{"name":"a","type":"UInt8"}],"data":[ROW,...],"rows":1}`, the engine's own shape.

    Rows come one a line; within one there is no newline.
    """
    meta = msgspec.json.encode([{"name": one.name, "type": one.type} for one in fields])
    yield b'{"meta":' + meta + b',"data":['
    rows, between = 0, b"\n"
    async for piece in pieces:
        rows += piece.count(b"\n")
        whole = piece.endswith(b"\n")
        body = piece[:-1] if whole else piece
        yield between + body.replace(b"\n", b",\n")
        between = b",\n" if whole else b""
    yield b'\n],"rows":%d}\n' % rows


FORMATS = {
    one.name: one
    for one in (
        Format("json", "application/json", "JSONEachRow", _json),
        Format("ndjson", "application/x-ndjson", "JSONEachRow", _lines),
        Format("csv", "text/csv; charset=utf-8; header=present", "CSV", _csv),
        Format("arrow", "application/vnd.apache.arrow.stream", "ArrowStream", _as_it_is),
        Format("parquet", "application/vnd.apache.parquet", "Parquet", _as_it_is),
    )
}
_BY_TYPE = {one.media_type.partition(";")[0]: one for one in FORMATS.values()}
_BY_TYPE["application/ndjson"] = _BY_TYPE["application/jsonl"] = FORMATS["ndjson"]


def chosen(name: str, accept: str) -> Format:
    """What `format` names, else the best type of the Accept header that is known, else JSON.

    Raises QueryError for a name that is none.
    """
    if name:
        if name not in FORMATS:
            raise QueryError(f"format={name[:32]!r} is none of {', '.join(FORMATS)}")
        return FORMATS[name]
    known = (_weighed(part) for part in accept.split(",")[:20])
    best = max((one for one in known if one[1] in _BY_TYPE), default=None, key=lambda one: one[0])
    return _BY_TYPE[best[1]] if best else FORMATS["json"]


def _weighed(part: str) -> tuple[float, str]:
    kind, *parameters = (word.strip().lower() for word in part.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value), kind
            except ValueError:
                return 0.0, kind
    return 1.0, kind
