"""Frames and logs for the tests of this room."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tailrace.core.clock import ManualClock
from tailrace.core.contracts import Consumer
from tailrace.core.frame import Frame, Header, Lane
from tailrace.core.metrics import Metrics
from tailrace.queue.files import FileSystem
from tailrace.queue.log import SegmentLog

from .disk import FaultyFileSystem

ALL = frozenset(Lane)


def frame(seq: int, lane: Lane = Lane.BOTH, size: int = 20) -> Frame:
    """A frame known by `seq`, with `size` bytes of payload that are its own."""
    payload = f"{seq:08d}".encode().ljust(size, b"x")
    return Frame(Header("acme", "web-1", 1, seq, 1, len(payload), 0, 0, lane=lane), payload)


def log(
    files: FileSystem | None = None, directory: Path = Path("/q"), **options: Any
) -> SegmentLog:
    settings: dict[str, Any] = {
        "metrics": Metrics(),
        "consumers": frozenset({"hot", "bulk"}),
        "segment_bytes": 1000,
        "queue_bytes": 100_000,
        "dead_letter_bytes": 10_000,
        "disk_reserve_bytes": 0,
    } | options
    return SegmentLog(directory, files or FaultyFileSystem(), ManualClock(), **settings)


async def seqs(consumer: Consumer, max_bytes: int = 1 << 30) -> list[int]:
    """The numbers of all frames that are there to be read."""
    found: list[int] = []
    while deliveries := await consumer.read(max_bytes, 0.0):
        found += [d.frame.header.seq for d in deliveries]
    return found
