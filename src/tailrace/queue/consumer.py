"""A named reader of the segment log, and its durable position.

Position file: `CRC32 SPACE SEGMENT SPACE OFFSET NEWLINE`, the checksum in 8 hex digits over the
rest of the line. It is replaced atomically; a file that fails its checksum counts as absent, and
the consumer starts again from the oldest segment: reading twice is safe, skipping is not.
"""

from __future__ import annotations

import asyncio
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from tailrace.core.contracts import Delivery, Position
from tailrace.core.frame import Lane
from tailrace.core.metrics import Metrics
from tailrace.queue import segment
from tailrace.queue.files import FileSystem

if TYPE_CHECKING:
    from tailrace.queue.log import SegmentLog

ALL_LANES = frozenset(Lane)


class SegmentConsumer:
    """A `Consumer`. Sees only what is synced."""

    def __init__(
        self, queue: SegmentLog, name: str, directory: Path, files: FileSystem, metrics: Metrics
    ) -> None:
        self.lanes: frozenset[Lane] = ALL_LANES
        self._queue = queue
        self._path = directory / f"{name}.position"
        self._directory = directory
        self._files = files
        self._metrics = metrics
        self._committed = Position(0, 0)
        self._position = Position(0, 0)

    def load(self) -> None:
        """Read the position file. Blocking."""
        if self._path.name in self._files.names(self._directory):
            size = self._files.size(self._path)
            self._committed = parse(self._files.read(self._path, 0, size))
        self._position = self._committed

    @property
    def committed(self) -> Position:
        return self._committed

    @property
    def position(self) -> Position:
        return self._position

    async def read(self, max_bytes: int, wait_s: float) -> list[Delivery]:
        deliveries = await asyncio.to_thread(self._read, max_bytes)
        if not deliveries and wait_s > 0:
            await self._queue.wait_grown(wait_s)
            deliveries = await asyncio.to_thread(self._read, max_bytes)
        return deliveries

    def _read(self, max_bytes: int) -> list[Delivery]:
        deliveries: list[Delivery] = []
        size = 0
        while size < max_bytes:
            at = self._position
            limit = self._queue.durable_bytes(at.segment)
            path = segment.path_of(self._directory, at.segment)
            entry = segment.read_entry(self._files, path, at.offset, limit)
            if entry is None:
                following = self._queue.following(at.segment)
                if following is None:
                    break
                self._position = Position(following, 0)
                continue
            after = Position(at.segment, entry.end)
            if entry.frame is None:
                self._metrics.add("tailrace_queue_corrupt_total")
            elif entry.frame.header.lane in self.lanes:
                if deliveries and size + entry.frame.header.bytes > max_bytes:
                    break
                size += entry.frame.header.bytes
                deliveries.append(Delivery(entry.frame, after))
            self._position = after
        return deliveries

    async def commit(self, position: Position) -> None:
        await asyncio.to_thread(self._files.replace, self._path, render(position))
        self._committed = position
        await self._queue.release()

    async def rewind(self) -> None:
        self._position = self._committed

    async def lag_bytes(self) -> int:
        return self._queue.bytes_after(self._committed)


def render(position: Position) -> bytes:
    """A position file's content."""
    text = f"{position.segment} {position.offset}".encode()
    return f"{zlib.crc32(text):08x} ".encode() + text + b"\n"


def parse(data: bytes) -> Position:
    """The position in a file's content; the beginning where it is torn."""
    checksum, _, text = data.rstrip(b"\n").partition(b" ")
    if f"{zlib.crc32(text):08x}".encode() != checksum or text.count(b" ") != 1:
        return Position(0, 0)
    number, offset = text.split(b" ")
    return Position(int(number), int(offset))
