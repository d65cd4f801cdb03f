"""Content to frames: split, compressed, numbered."""

from __future__ import annotations

from collections.abc import Callable

from tailrace.core import limits
from tailrace.core.frame import Frame, Header
from tailrace.core.payload import compress, describe
from tailrace.gateway.numbering import Identity
from tailrace.wire.content import Content
from tailrace.wire.split import split


def frames_of(
    content: Content,
    tenant: str,
    received_ns: int,
    identify: Callable[[int], Identity],
    compressed: bytes = b"",
    most_rows: int = limits.FRAME_ROWS,
) -> list[Frame]:
    """Frames of at most FRAME_BYTES and `most_rows` each; `identify` is given their index.

    `compressed` is zstd of exactly `content.data`, if the sender sent such: it is kept as the
    payload when the content fits one frame, which saves the work of compressing it again.
    """
    fits = len(content.data) <= limits.FRAME_BYTES and content.rows <= most_rows
    pieces = [content.data] if fits else split(content.data, limits.FRAME_BYTES, most_rows)
    frames: list[Frame] = []
    for index, piece in enumerate(pieces):
        facts = describe(piece, content.rows if fits else None)
        identity = identify(index)
        header = Header(
            tenant=tenant,
            source=identity.source,
            epoch=identity.epoch,
            seq=identity.seq,
            rows=facts.rows,
            bytes=facts.bytes,
            checksum=facts.checksum,
            received_ns=received_ns,
            lane=content.lane,
            signal=content.signal,
            codec=content.codec,
            hints=content.hints,
            resource=content.resource,
        )
        keep = compressed and len(pieces) == 1 and len(compressed) <= limits.FRAME_BYTES
        frames.append(Frame(header, compressed if keep else compress(piece)))
    return frames
