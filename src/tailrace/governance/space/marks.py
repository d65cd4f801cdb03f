"""High-water marks of a disk: which ones are passed, and what share of requests has to wait.

A mark is a share of what may be used, which is the disk without its reserve. Of a large disk only
a part counts: 5 % of 100 GiB are room enough for merges and for a person to come, 5 % of 10 TiB are
half a terabyte that nobody gets to use. So a mark stands for a number of free bytes:

    free(mark) = reserve + (1 - mark) * min(size - reserve, counted)
"""

from __future__ import annotations

from enum import IntEnum

import msgspec

from tailrace.core import limits

# A lane that is slowed is noticed: from its mark on at least so many requests have to wait.
_LEAST_SHARE = 0.05


class Level(IntEnum):
    """The highest mark that is passed."""

    ENOUGH = 0
    BULK_SLOW = 1
    BULK_STOP = 2
    HOT_SLOW = 3
    HOT_STOP = 4


class Marks(msgspec.Struct, frozen=True):
    """Shares of what may be used, each at least the one before it, from 0 to 1; what is 1 is off.
    `counted_bytes`: of a larger disk only so much counts."""

    bulk_slow: float = 0.85
    bulk_stop: float = 0.90
    hot_slow: float = 0.92
    hot_stop: float = 0.95
    counted_bytes: int = 100 * limits.GIB

    def of(self, level: Level) -> float:
        """Where a level begins."""
        return (0.0, self.bulk_slow, self.bulk_stop, self.hot_slow, self.hot_stop)[level]

    def highest(self, full: float) -> Level:
        """The highest level that begins there or before."""
        return max(one for one in Level if not one or (self.is_on(one) and self.of(one) <= full))

    def is_on(self, level: Level) -> bool:
        """Whether a level can begin at all."""
        return self.of(level) < 1.0


class Disk(msgspec.Struct, frozen=True):
    """What a file system says: `size_bytes` is what is used and what is free, without what it keeps
    for root."""

    size_bytes: int
    free_bytes: int

    @property
    def used_bytes(self) -> int:
        return self.size_bytes - self.free_bytes


def fill(disk: Disk, reserve_bytes: int, marks: Marks) -> float:
    """How full a disk is, as marks count it."""
    counted = min(disk.size_bytes - reserve_bytes, marks.counted_bytes)
    if counted <= 0:
        return 1.0
    return min(1.0, max(0.0, 1.0 - (disk.free_bytes - reserve_bytes) / counted))


def free_at(level: Level, disk: Disk, reserve_bytes: int, marks: Marks) -> int:
    """Free bytes at which `level` begins; 0 where it is off."""
    if not marks.is_on(level):
        return 0
    counted = max(0, min(disk.size_bytes - reserve_bytes, marks.counted_bytes))
    return reserve_bytes + int((1.0 - marks.of(level)) * counted)


def next_level(level: Level, full: float, marks: Marks) -> Level:
    """The level after `level` where a disk is so full.

    It rises at once to the mark that is reached, and falls only SPACE_RELIEF below one, so that
    merges, which take some space and give it back, do not bring everybody back.
    """
    return max(marks.highest(full), min(level, marks.highest(full + limits.SPACE_RELIEF)))


def share(level: Level, full: float, marks: Marks, late: bool) -> float:
    """The share of requests that has to wait, 0 to 1: none before a lane is slowed, more the nearer
    the next mark is, all from there on. `late`: of the bulk lane."""
    slow, stop = (Level.BULK_SLOW, Level.BULK_STOP) if late else (Level.HOT_SLOW, Level.HOT_STOP)
    if level < slow:
        return 0.0
    if level >= stop:
        return 1.0
    start, end = marks.of(slow), marks.of(stop)
    return min(1.0, max(_LEAST_SHARE, (full - start) / (end - start)))
