"""Samples of the server's own making, into the way that all samples go."""

from __future__ import annotations

from collections.abc import Sequence

from tailrace.core.frame import Codec, Signal
from tailrace.core.sample import Sample
from tailrace.gateway.door import Door
from tailrace.wire import samples
from tailrace.wire.content import Content


async def take_samples(
    door: Door, tenant: str, listed: Sequence[Sample], own: bool = False
) -> None:
    """Guarded, limited and queued; durable when it returns. Raises Busy and InputError. `own`: few,
    and about the server, see Admission."""

    def content(data: bytes) -> Sequence[Content]:
        return [Content(Codec.RECORDS, data, len(listed), signal=Signal.METRICS)]

    await door.take_bytes(samples.encode(listed), tenant, content, own)
