"""Watches the disks that data is on, and says what has to wait for room on them.

Directories may share a file system; each file system is looked at once a second, by the name of
the first directory on it. What a full one holds up depends on what is kept there:

    data     the queue and the hot store: bulk, then hot
    archive  what is only the bulk lane's; the queue holds the rest until it is full itself
    spool    nothing here: the agent has bounds of its own, and stops reading

A disk that does not answer, of a network say, keeps the level that it had, and holds up no other.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from tailrace.core.clock import Clock
from tailrace.core.log import get
from tailrace.core.metrics import Metrics
from tailrace.governance.space import history
from tailrace.governance.space.history import Kept
from tailrace.governance.space.marks import Disk, Level, Marks, fill, free_at, next_level, share
from tailrace.governance.space.trend import LONGEST_S, Trend

_log = get("governance")
LOOK_S = 1.0
_WORDS = {
    Level.BULK_SLOW: "bulk is slowed",
    Level.BULK_STOP: "bulk has to wait",
    Level.HOT_SLOW: "bulk has to wait, all else is slowed",
    Level.HOT_STOP: "all has to wait",
}


class Place(msgspec.Struct, frozen=True):
    """A directory. `name`: a constant of the code. `holds_up`: the highest level that counts for
    what comes in. `reserve_bytes` are left free whatever comes."""

    name: str
    path: Path
    holds_up: Level = Level.ENOUGH
    reserve_bytes: int = 0


class Watched:
    """A place, and how it stood when it was looked at last."""

    def __init__(self, place: Place, marks: Marks, disk: Disk, trend: Trend) -> None:
        self.place = place
        self.disk = disk
        self.trend = trend
        self.growth = trend.growth()
        self.level = Level.ENOUGH
        self._marks = marks

    def see(self, disk: Disk, at_s: float) -> bool:
        """Whether a new point of its trend began."""
        self.disk = disk
        self.level = next_level(self.level, self._fill, self._marks)
        new = self.trend.add(at_s, disk.used_bytes)
        if new:
            self.growth = self.trend.growth()
        return new

    @property
    def _fill(self) -> float:
        return fill(self.disk, self.place.reserve_bytes, self._marks)

    def refused(self, late: bool) -> float:
        """See Room."""
        level = min(self.level, self.place.holds_up)
        return share(level, self._fill, self._marks, late)

    @property
    def said(self) -> str:
        """What has to wait for it; "" for nothing."""
        level = min(self.level, self.place.holds_up)
        return f"the disk of {self.place.name} fills: {_WORDS[level]}" if level else ""

    def free_at(self, level: Level) -> int:
        """Free bytes at which `level` begins."""
        return free_at(level, self.disk, self.place.reserve_bytes, self._marks)

    @property
    def full_s(self) -> float | None:
        """Seconds until it holds up all that it can hold up, at most LONGEST_S; None when that is
        not known yet."""
        last = self.place.holds_up or Level.HOT_STOP
        return self.growth.seconds(self.disk.free_bytes - self.free_at(last))


Measure = Callable[[Path], Disk]


def measured(path: Path) -> Disk:
    """The file system of `path`. Blocks. Raises OSError."""
    found = os.statvfs(path)
    free = found.f_bavail * found.f_frsize
    return Disk(free + (found.f_blocks - found.f_bfree) * found.f_frsize, free)


class Watch:
    """A Room. `open`, then `run` until it is cancelled. One event loop."""

    def __init__(
        self,
        places: Sequence[Place],
        marks: Marks,
        kept: Path,
        clock: Clock,
        metrics: Metrics,
        measure: Measure = measured,
        device: Callable[[Path], int] = lambda path: path.stat().st_dev,
    ) -> None:
        """`places`: what matters most first. `kept`: the file of trends, see history.py."""
        self.marks = marks
        self._places = places
        self._kept = kept
        self._clock = clock
        self._metrics = metrics
        self._measure = measure
        self._device = device
        self._saving = asyncio.Lock()
        self.watched: list[Watched] = []

    async def open(self) -> None:
        """Look at all of them once; what cannot be seen is left out, and the log says so."""
        await asyncio.to_thread(self._open)
        for one in self.watched:
            self._see(one, one.disk)

    def _open(self) -> None:
        trends = history.load(self._kept)
        devices: set[int] = set()
        for place in self._places:
            try:
                path = _there(place.path)
                device, disk = self._device(path), self._measure(path)
            except OSError as error:
                extra = {"place": place.name, "error": error.strerror}
                _log.warning("a disk is not watched: it cannot be seen", extra=extra)
                continue
            if device not in devices:
                devices.add(device)
                trend = history.trend_of(trends, place.name, disk.size_bytes)
                self.watched.append(Watched(place, self.marks, disk, trend))

    async def run(self) -> None:
        """Look again and again."""
        await asyncio.gather(*(self._follow(one) for one in self.watched))

    def refused(self, late: bool) -> float:
        """See Room."""
        return max((one.refused(late) for one in self.watched), default=0.0)

    def said(self) -> str:
        """See Room."""
        return "; ".join(one.said for one in self.watched if one.said)

    async def _follow(self, one: Watched) -> None:
        seen = True
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                disk = await asyncio.to_thread(self._look, one.place)
            except OSError as error:
                if seen:
                    extra = {"place": one.place.name, "error": error.strerror}
                    _log.warning("how full a disk is cannot be seen", extra=extra)
                seen = False
                continue
            seen = True
            if self._see(one, disk):
                await self._save()

    def _look(self, place: Place) -> Disk:
        return self._measure(_there(place.path))

    def _see(self, one: Watched, disk: Disk) -> bool:
        before = one.level
        new = one.see(disk, self._clock.wall_ns() / 1e9)
        if one.level is not before:
            self._say(one, before)
        name = one.place.name
        self._metrics.set("tailrace_space_bytes", disk.size_bytes, name)
        self._metrics.set("tailrace_space_free_bytes", disk.free_bytes, name)
        self._metrics.set("tailrace_space_level", one.level, name)
        full_s = one.full_s
        self._metrics.set(
            "tailrace_space_full_seconds", LONGEST_S if full_s is None else full_s, name
        )
        return new

    def _say(self, one: Watched, before: Level) -> None:
        extra = {
            "place": one.place.name,
            "directory": one.place.path,
            "level": one.level.name.lower(),
            "free_bytes": one.disk.free_bytes,
            "size_bytes": one.disk.size_bytes,
        }
        if one.level > before:
            _log.warning("a disk fills", extra=extra)
        elif one.level:
            _log.info("a disk has more room", extra=extra)
        else:
            _log.info("a disk has room again", extra=extra)

    async def _save(self) -> None:
        kept = {one.place.name: Kept(one.disk.size_bytes, one.trend.points) for one in self.watched}
        try:
            async with self._saving:
                await asyncio.to_thread(history.save, self._kept, kept)
        except OSError as error:
            _log.warning("how fast the disk fills is not kept", extra={"error": error.strerror})


def _there(path: Path) -> Path:
    """`path`, or the directory that it will be made in."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path
