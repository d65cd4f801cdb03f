"""Spans as NDJSON, one a line: the payload of a frame whose signal is spans.

    {"time": 1767000000000000000, "duration": 1500000, "name": "GET /cart", "kind": "server",
     "trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203331",
     "service": "web", "status": "error", "attributes": {"http.route": "/cart"},
     "events": [{"time": 1767000000000900000, "name": "exception"}]}

Times are UTC nanoseconds, the duration is nanoseconds. What else there is: core/span.py.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from tailrace.core import limits
from tailrace.core.errors import TooLarge
from tailrace.core.span import Event, Link, Span, decoder
from tailrace.wire import ndjson
from tailrace.wire.lines import long_lines

__all__ = ["Event", "Link", "Span", "check", "encode"]

_encoder = msgspec.json.Encoder()


def encode(spans: Iterable[Span]) -> bytes:
    """A line for each."""
    return b"".join(_encoder.encode(span) + b"\n" for span in spans)


def check(data: bytes) -> None:
    """Raises InputError ("json", "field") or TooLarge ("line_length") that names the first line
    that is no span, or longer than SPAN_BYTES."""
    for start, _ in long_lines(data, limits.SPAN_BYTES):
        number = data.count(b"\n", 0, start) + 1
        raise TooLarge(
            f"line {number}: span is longer than {limits.SPAN_BYTES} "
            "bytes; shorten its attributes or record fewer events",
            "line_length",
        )
    ndjson.check(decoder, data, "span")
