"""The agent's own protocol: several frames in one body.

    body    = "TRF1" frame*
    frame   = u32 header length, u32 payload length (big endian), header, payload
    header  = msgpack of `Header`, keys by name
    payload = zstd; expands to exactly header.bytes bytes with header.rows and header.checksum;
              of codec "otlp" the rows are log records

Nothing follows the last frame. A body is taken or refused whole.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping

import msgspec

from tailrace.core import limits
from tailrace.core.errors import InputError, TooLarge
from tailrace.core.frame import Codec, Frame, Header, Signal, check_tenant
from tailrace.core.payload import describe, expand
from tailrace.wire import records, samples, spans
from tailrace.wire.otlp import walk

MAGIC = b"TRF1"
MEDIA_TYPE = "application/x-tailrace-frames"
_LENGTHS = struct.Struct(">II")
_SOURCE_CHARACTERS = 200
REPEATED_BYTES = {
    Signal.LOGS: limits.REPEATED_BYTES,
    Signal.SPANS: limits.REPEATED_LABEL_BYTES,
    Signal.METRICS: limits.REPEATED_LABEL_BYTES,
}
# What refuses a row that is none, of a signal whose rows have one form.
_CHECKS: Mapping[Signal, Callable[[bytes], None]] = {
    Signal.METRICS: samples.check,
    Signal.SPANS: spans.check,
}
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Header)


def encode(frames: Iterable[Frame]) -> bytes:
    """One body of these frames; the caller keeps to FRAMES_PER_BODY and BODY_COMPRESSED_BYTES."""
    parts = [MAGIC]
    for frame in frames:
        header = _encoder.encode(frame.header)
        parts += [_LENGTHS.pack(len(header), len(frame.payload)), header, frame.payload]
    return b"".join(parts)


def header(frame: bytes) -> Header:
    """The header of one frame as `encode` writes it after the magic; its own writer's, not checked.

    Raises InputError ("frame", "header").
    """
    if len(frame) < _LENGTHS.size:
        raise InputError("frame ends inside its lengths", "frame")
    header_bytes, _ = _LENGTHS.unpack_from(frame)
    try:
        return _decoder.decode(frame[_LENGTHS.size : _LENGTHS.size + header_bytes])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise InputError(f"header is malformed: {error}", "header") from error


def decode(
    body: bytes, check_payloads: bool = True, most_bytes: int = limits.FRAME_BYTES
) -> list[Frame]:
    """The frames of a body, each checked against its header, and none beyond `most_bytes`.

    Raises InputError ("frame", "header", "checksum", "json", "field", "protobuf") or TooLarge
    ("frame", "header", "expanded", "line_length") that names the frame by its 1-based place.
    """
    if not body.startswith(MAGIC):
        raise InputError("body must start with TRF1; is this /ingest/frames?", "frame")
    found: list[Frame] = []
    position = len(MAGIC)
    while position < len(body):
        number = len(found) + 1
        if number > limits.FRAMES_PER_BODY:
            raise TooLarge(f"body holds more than {limits.FRAMES_PER_BODY} frames", "frame")
        frame, position = _read(body, position, number, most_bytes)
        if check_payloads:
            _check_payload(frame, number)
        found.append(frame)
    if not found:
        raise InputError("body holds no frame", "empty")
    return found


def _read(body: bytes, position: int, number: int, most_bytes: int) -> tuple[Frame, int]:
    start = position + _LENGTHS.size
    if start > len(body):
        raise InputError(f"frame {number}: body ends inside its lengths", "frame")
    header_bytes, payload_bytes = _LENGTHS.unpack_from(body, position)
    if header_bytes > limits.HEADER_BYTES:
        raise TooLarge(f"frame {number}: header beyond {limits.HEADER_BYTES} bytes", "header")
    if payload_bytes > most_bytes:
        raise TooLarge(f"frame {number}: payload beyond {most_bytes} bytes", "frame")
    middle = start + header_bytes
    end = middle + payload_bytes
    if end > len(body):
        raise InputError(f"frame {number}: body ends inside it", "frame")
    try:
        header = _decoder.decode(body[start:middle])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise InputError(f"frame {number}: header is malformed: {error}", "header") from error
    _check_header(header, number, most_bytes)
    return Frame(header, body[middle:end]), end


def rows_beside(resource: Mapping[str, str], signal: Signal) -> int:
    """The most rows that a frame with this resource may have: it is repeated for each of them."""
    size = sum(len(key) + len(value) for key, value in resource.items())
    return min(limits.FRAME_ROWS, REPEATED_BYTES[signal] // max(1, size))


def _check_header(header: Header, number: int, most_bytes: int) -> None:
    numbers = (header.epoch, header.seq, header.checksum)
    times = (header.first_ns, header.last_ns, header.received_ns)
    rules = {
        "tenant": check_tenant(header.tenant),
        "source": 0 < len(header.source) <= _SOURCE_CHARACTERS and header.source.isprintable(),
        "epoch, seq and checksum": all(0 <= n < 2**64 for n in numbers),
        "times": all(0 <= t < 2**63 for t in times),
        "weight": 0 < header.weight < 2**32,
        "rows": 0 < header.rows <= limits.FRAME_ROWS,
        "bytes": 0 < header.bytes <= most_bytes,
        "newline": len(header.hints.newline) <= 1,
        "signal": header.signal not in _CHECKS or header.codec is not Codec.LINES,
        "resource": len(header.resource) <= limits.RESOURCE_ATTRIBUTES
        and all(len(k) + len(v) <= limits.LABEL_VALUE_BYTES for k, v in header.resource.items())
        and header.rows <= rows_beside(header.resource, header.signal),
    }
    for field, holds in rules.items():
        if not holds:
            raise InputError(f"frame {number}: header field {field} is out of bounds", "header")


def _check_payload(frame: Frame, number: int) -> None:
    header = frame.header
    data = expand(frame.payload, header.bytes)
    otlp = header.codec is Codec.OTLP
    facts = describe(data, walk.count(data) if otlp else None)
    if (facts.rows, facts.bytes, facts.checksum) != (header.rows, header.bytes, header.checksum):
        raise InputError(
            f"frame {number}: payload has {facts.rows} rows and {facts.bytes} bytes with another "
            f"checksum than its header says ({header.rows} rows, {header.bytes} bytes)",
            "checksum",
        )
    if otlp:
        return  # what its records hold shows when they are decoded
    if check := _CHECKS.get(header.signal):
        try:
            check(data)
        except InputError as error:
            raise type(error)(f"frame {number}: {error}", error.reason) from error
    elif header.codec is Codec.RECORDS:
        hints = records.check(data, header.hints)
        if hints != header.hints:
            raise InputError(f"frame {number}: its records need foreign hints", "field")
