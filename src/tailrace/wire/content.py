"""What a decoder returns: checked, repaired rows that are ready to be framed."""

from __future__ import annotations

import msgspec

from tailrace.core.frame import CANONICAL, Codec, Hints, Lane, Signal


class Content(msgspec.Struct):
    """`rows` rows of `data` (lines or NDJSON, uncompressed), read with `hints`.

    Rows of spans are as core.span.Span, of metrics as core.sample.Sample.

    `resource` holds identifiers that belong to every row. `repaired` counts by reason what was
    changed on the way in: "nul", "utf8", "line_length", "blank", "attributes", "exemplar". When it
    is empty, nothing was: `data` of lines is the very object that the decoder was given.
    """

    codec: Codec
    data: bytes
    rows: int
    hints: Hints = CANONICAL
    resource: dict[str, str] = {}
    repaired: dict[str, int] = {}
    signal: Signal = Signal.LOGS
    lane: Lane = Lane.BOTH
