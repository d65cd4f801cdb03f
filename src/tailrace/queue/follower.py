"""Followers of a log: who only watches what comes, from memory, and holds nothing back.

A follower is handed each frame once it is durable. What it has not read yet is bounded in bytes;
beyond that the oldest frames are passed over and counted. Nothing is read from the disk, so
segments may be deleted at any time, and an append costs one call for each follower.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Protocol

from tailrace.core.contracts import Taken
from tailrace.core.frame import Frame, Header

# A frame with its header as objects, beside its payload.
FRAME_OVERHEAD_BYTES = 1024


class LogFollower:
    """Implements `Follower`. All methods belong to the event loop of its log."""

    def __init__(
        self,
        wanted: Callable[[Header], bool],
        held_bytes: int,
        closed: Callable[[LogFollower], None],
    ) -> None:
        self._wanted = wanted
        self._most_bytes = held_bytes
        self._closed: Callable[[LogFollower], None] | None = closed
        self._frames: deque[Frame] = deque()
        self._passed: Counter[str] = Counter()
        self._bytes = 0
        self._there = asyncio.Event()

    def offer(self, frames: Sequence[Frame]) -> None:
        """Keep those that are wanted, and pass over the oldest that there is no room for."""
        for frame in frames:
            if self._wanted(frame.header):
                self._frames.append(frame)
                self._bytes += _size(frame)
                self._there.set()
        while self._bytes > self._most_bytes and len(self._frames) > 1:
            header = self._pop().header
            self._passed[header.tenant] += header.rows

    async def read(self, max_bytes: int) -> Taken:
        """See `Follower.read`."""
        await self._there.wait()
        frames: list[Frame] = []
        size = 0
        while self._frames and (not frames or size + self._frames[0].header.bytes <= max_bytes):
            frames.append(self._pop())
            size += frames[-1].header.bytes
        passed, self._passed = self._passed, Counter()
        if not self._frames and self._closed is not None:
            self._there.clear()
        return Taken(frames, dict(passed))

    def close(self) -> None:
        """See `Follower.close`."""
        if self._closed is not None:
            self._closed(self)
            self._closed = None
        self._there.set()

    def _pop(self) -> Frame:
        frame = self._frames.popleft()
        self._bytes -= _size(frame)
        return frame


class Watched(Protocol):
    """What a feed asks of its log."""

    def follow(self, wanted: Callable[[Header], bool], held_bytes: int) -> LogFollower: ...

    async def passed(self, name: str, timeout_s: float, hurry: bool) -> bool: ...


class LogFeed:
    """Implements `Feed` on a segment log whose consumer `stores` fills the store."""

    def __init__(self, log: Watched, stores: str) -> None:
        self._log = log
        self._stores = stores

    def follow(self, wanted: Callable[[Header], bool], held_bytes: int) -> LogFollower:
        """See `Feed.follow`."""
        return self._log.follow(wanted, held_bytes)

    async def stored(self, timeout_s: float) -> bool:
        """See `Feed.stored`."""
        return await self._log.passed(self._stores, timeout_s, hurry=True)


def _size(frame: Frame) -> int:
    return len(frame.payload) + FRAME_OVERHEAD_BYTES
