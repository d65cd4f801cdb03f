"""Consumers: named readers of the log that remember how far they are."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from tailrace.core import limits
from tailrace.core.contracts import Delivery, Position
from tailrace.core.frame import Frame, Header, Lane
from tailrace.queue.files import FileSystem
from tailrace.queue.record import Record
from tailrace.queue.segment import Extent, scan

# Bytes of segments that one step in a thread goes through: bounds memory and the time to cancel.
STEP_BYTES = 2 * limits.INSERT_BYTES


class Broken(msgspec.Struct, frozen=True):
    """Bytes [start, end) of a segment that could not be read as a frame."""

    segment: int
    start: int
    end: int


class Step(msgspec.Struct):
    """What one pass over the segments found, and the place it reached."""

    position: Position
    deliveries: list[Delivery] = []
    broken: list[Broken] = []
    payload_bytes: int = 0
    stored_bytes: int = 0


class Log(Protocol):
    """What a consumer asks of its log."""

    @property
    def files(self) -> FileSystem: ...

    @property
    def directory(self) -> Path: ...

    @property
    def closed(self) -> bool: ...

    @property
    def grown(self) -> asyncio.Event:
        """Set when records were added after it was asked for, or at close."""
        ...

    def extents(self) -> Sequence[Extent]: ...

    def committed(self, name: str) -> Position: ...

    def awaited(self, name: str, position: Position) -> bool: ...

    async def commit(self, name: str, position: Position) -> None: ...

    async def report(self, broken: Sequence[Broken]) -> None: ...


class LogConsumer:
    """Implements `Consumer` on a segment log. Sees only durable records."""

    def __init__(self, log: Log, name: str, lanes: frozenset[Lane]) -> None:
        self._log = log
        self._name = name
        self._lanes = lanes
        self._position = log.committed(name)

    async def read(self, max_bytes: int, wait_s: float) -> list[Delivery]:
        """See `Consumer.read`. Returns [] at once when the log is closed. Raises OSError."""
        loop = asyncio.get_running_loop()
        until = loop.time() + wait_s
        while not self._log.closed:
            grown = self._log.grown
            step = await self._step(max_bytes)
            if step.deliveries:
                return step.deliveries
            if step.stored_bytes == 0:
                if self.awaited:
                    return []
                try:
                    async with asyncio.timeout_at(until):
                        await grown.wait()
                except TimeoutError:
                    return []
        return []

    async def commit(self, position: Position) -> None:
        """See `Consumer.commit`. Raises StoreError when the position could not be stored."""
        if position > self._position:
            raise ValueError(f"consumer {self._name}: {position} was never read")
        if position > self.committed:
            await self._log.commit(self._name, position)

    async def rewind(self) -> None:
        self._position = self.committed

    @property
    def committed(self) -> Position:
        return self._log.committed(self._name)

    @property
    def position(self) -> Position:
        return self._position

    @property
    def awaited(self) -> bool:
        return self._log.awaited(self._name, self._position)

    async def lag_bytes(self) -> int:
        return sum(extent.bytes_after(self.committed) for extent in self._log.extents())

    async def _step(self, max_bytes: int) -> Step:
        behind = [e for e in self._log.extents() if e.bytes_after(self._position)]
        if not behind:
            return Step(self._position)
        log, start = self._log, self._position
        step = await asyncio.to_thread(
            collect, log.files, log.directory, behind, start, self._lanes, max_bytes
        )
        if step.broken:
            await log.report(step.broken)
        self._position = step.position
        return step


def collect(
    files: FileSystem,
    directory: Path,
    extents: Sequence[Extent],
    position: Position,
    lanes: frozenset[Lane],
    max_bytes: int,
) -> Step:
    """Frames of `lanes` behind `position`, up to `max_bytes` before compression. Blocking."""
    step = Step(position)
    for extent in extents:
        try:
            for item in scan(files, directory, extent, extent.start_after(step.position)):
                frame = _frame(item.header, item.payload) if isinstance(item, Record) else None
                if frame is None:
                    step.broken.append(Broken(extent.number, item.start, item.end))
                elif frame.header.lane in lanes:
                    size = step.payload_bytes + frame.header.bytes
                    if step.deliveries and size > max_bytes:
                        return step
                    after = Position(extent.number, item.end)
                    step.deliveries.append(Delivery(frame, after))
                    step.payload_bytes = size
                step.position = Position(extent.number, item.end)
                step.stored_bytes += item.end - item.start
                if step.stored_bytes >= STEP_BYTES or step.payload_bytes >= max_bytes:
                    return step
        except FileNotFoundError:
            # Released meanwhile, or removed by hand: what is left is in later segments.
            step.position = Position(extent.number, extent.end)
            step.stored_bytes += 1
    return step


def _frame(header: bytes, payload: bytes) -> Frame | None:
    try:
        return Frame(msgspec.msgpack.decode(header, type=Header), payload)
    except msgspec.DecodeError:
        return None
