"""Outlets: what waits for one follower, bounded for each and for all together."""

from __future__ import annotations

import asyncio
from collections import deque

from tailrace.core import limits
from tailrace.core.clock import Clock
from tailrace.core.metrics import Metrics
from tailrace.query.tail.parcel import Dropped, Parcel, only_dropped

Key = tuple[str, int, int]


class Outlet:
    """Messages of one follower, oldest first. What there is no room for is dropped from the old
    end: who looks at a live tail wants what is new.

    `live` has the frames whose rows come through here, as (source, epoch, seq) with their rows, as
    long as the history is being read; None after that.
    """

    def __init__(self, tenant: str, categorize: bool, room: Room) -> None:
        self.tenant = tenant
        self.categorize = categorize
        self.live: dict[Key, int] | None = {}
        self.bytes = 0
        self.overrun = False
        self._room = room
        self._rows = 0
        self._parcels: deque[Parcel] = deque()
        self._dropped = Dropped()
        self._there = asyncio.Event()

    def put(self, parcel: Parcel) -> None:
        """Keep a message, or those after it."""
        self._parcels.append(parcel)
        self._rows += parcel.rows
        self.bytes += parcel.bytes
        self._there.set()
        self._room.hold(parcel)
        while len(self._parcels) > 1 and (
            self._rows > limits.TAIL_FOLLOWER_ROWS or self.bytes > limits.TAIL_FOLLOWER_BYTES
        ):
            self.drop_oldest()

    def note(self, key: Key, rows: int) -> None:
        """The rows of this frame will come through here."""
        if self.live is None:
            return
        if len(self.live) >= limits.TAIL_HISTORY_FRAMES:
            self.overrun = True
        else:
            self.live[key] = rows

    def unread(self, reason: str, lines: int) -> None:
        """See `Dropped.unread`."""
        self._dropped.unread(reason, lines)
        self._there.set()

    def drop_oldest(self) -> bool:
        """Drop a message; False when there is none."""
        if not self._parcels:
            return False
        parcel = self._pop()
        self._dropped.parcel(parcel)
        self._room.dropped(parcel)
        return True

    async def next(self, now: Clock) -> str:
        """Wait for a message, which tells first what was dropped before it."""
        while not self._parcels and not self._dropped:
            self._there.clear()
            await self._there.wait()
        told = self._dropped.told(now.wall_ns())
        if not self._parcels:
            return only_dropped(told)
        return self._pop().text(told)

    def clear(self) -> None:
        """Let go of everything."""
        while self._parcels:
            self._pop()

    def _pop(self) -> Parcel:
        parcel = self._parcels.popleft()
        self._rows -= parcel.rows
        self.bytes -= parcel.bytes
        self._room.release(parcel)
        return parcel


class Room:
    """What all outlets hold together, a message that several hold counted once. Beyond
    TAIL_HELD_BYTES whoever holds most loses its oldest message."""

    def __init__(self, metrics: Metrics) -> None:
        self.bytes = 0
        self.outlets: set[Outlet] = set()
        self._metrics = metrics

    def hold(self, parcel: Parcel) -> None:
        """One more outlet holds it."""
        if parcel.holders == 0:
            self.bytes += parcel.bytes
        parcel.holders += 1
        while self.bytes > limits.TAIL_HELD_BYTES:
            if not max(self.outlets, key=lambda one: one.bytes).drop_oldest():
                return

    def release(self, parcel: Parcel) -> None:
        """One outlet less holds it."""
        parcel.holders -= 1
        if parcel.holders == 0:
            self.bytes -= parcel.bytes

    def dropped(self, parcel: Parcel) -> None:
        """Count what a follower lost."""
        self._metrics.add("tailrace_tail_dropped_total", parcel.rows, "slow")
