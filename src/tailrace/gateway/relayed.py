"""Frames that hold a protocol's own bytes, as an agent relayed them, to frames of records."""

from __future__ import annotations

import msgspec

from tailrace.core.errors import InputError
from tailrace.core.frame import Codec, Frame
from tailrace.core.metrics import Metrics
from tailrace.core.payload import expand
from tailrace.gateway.framing import frames_of
from tailrace.gateway.numbering import Identity
from tailrace.wire.frames import rows_beside
from tailrace.wire.otlp.signals import PROTOBUF


def relayed(frame: Frame, metrics: Metrics) -> list[Frame]:
    """`frame` itself, unless its codec is OTLP: then frames of its records.

    The first keeps its identity; those after it, where the records need more than one, are
    numbered by sources of their own ("agent-1#1", "agent-1#2"), so that a frame that is sent again
    gives the same ones. The frame's resource stays in the headers: what the application says of
    itself wins over it, key by key. Records that cannot be kept are left out and counted. Raises
    InputError when none is left, or it is no request of its signal.
    """
    header = frame.header
    if header.codec is not Codec.OTLP:
        return [frame]
    export = PROTOBUF[header.signal](expand(frame.payload, header.bytes))
    metrics.add_each("tailrace_ingest_refused_total", export.reasons)
    content = export.content
    if content is None:
        raise InputError("an OTLP frame holds no record", "empty")
    metrics.add_each("tailrace_ingest_repaired_total", content.repaired)
    content = msgspec.structs.replace(content, resource=header.resource)

    def identify(index: int) -> Identity:
        source = f"{header.source}#{index}" if index else header.source
        return Identity(source, header.epoch, header.seq)

    most_rows = rows_beside(header.resource, header.signal)  # a metric may have thousands
    found = frames_of(content, header.tenant, header.received_ns, identify, most_rows=most_rows)
    return [
        Frame(
            msgspec.structs.replace(piece.header, lane=header.lane, weight=header.weight),
            piece.payload,
        )
        for piece in found
    ]
