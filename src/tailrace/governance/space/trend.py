"""How fast a disk fills, from what was used of it in the last days.

Used bytes go up and down: a merge holds its parts twice for minutes, rows of a day expire at once.
So of each ten minutes the least counts, and the growth is the median of the slopes between pairs
of points (H. Theil, 1950; P. K. Sen, 1968), of which up to 29 % may be anything. It is taken over
the last six hours, where a change is seen soon, and over a week between the same hours of its days
(R. M. Hirsch, J. R. Slack and R. A. Smith, 1982), where what comes by day and goes each night is no
growth; whichever fills the disk earlier is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

import msgspec

STEP_S = 600.0
_HOUR_S = 3600.0
_SHORT_S = 6 * _HOUR_S
_LONG_S = 7 * 24 * _HOUR_S
# Less history says nothing: minutes of a start, or of one large import.
_LEAST_SHORT_S = _HOUR_S
_DAY_S = 24 * _HOUR_S
_LEAST_LONG_S = 1.5 * _DAY_S
# What is further away is not foretold: a year stands for "or later".
LONGEST_S = 365 * 24 * _HOUR_S


class Point(msgspec.Struct, array_like=True):
    """The least that was used within STEP_S from `at_s`, in UTC seconds."""

    at_s: float
    used: int


class Growth(msgspec.Struct, frozen=True):
    """Bytes a second. None: there is too little history."""

    short: float | None = None
    long: float | None = None

    @property
    def bytes_per_day(self) -> float | None:
        """Of the week, else of the last hours."""
        found = self.short if self.long is None else self.long
        return None if found is None else found * _DAY_S

    def seconds(self, room_bytes: int) -> float | None:
        """Until so much more is used, at most LONGEST_S. None: there is too little history."""
        known = [one for one in (self.short, self.long) if one is not None]
        if not known:
            return None
        if room_bytes <= 0:
            return 0.0
        return min([LONGEST_S, *(room_bytes / one for one in known if one > 0)])


class Trend:
    """Used bytes of one disk: a thousand points, for a week."""

    def __init__(self, points: Iterable[Point] = ()) -> None:
        self.points = sorted(points, key=lambda point: point.at_s)

    def add(self, at_s: float, used: int) -> bool:
        """Remember what is used at `at_s`. True where a new point begins. Points of the future, of
        a clock that was ahead, go."""
        step_s = at_s // STEP_S * STEP_S
        while self.points and self.points[-1].at_s > step_s:
            self.points.pop()
        if self.points and self.points[-1].at_s == step_s:
            self.points[-1].used = min(self.points[-1].used, used)
            return False
        self.points.append(Point(step_s, used))
        oldest_s = step_s - _LONG_S
        self.points = [point for point in self.points if point.at_s >= oldest_s]
        return True

    def growth(self) -> Growth:
        """As the module says. Milliseconds of CPU."""
        if not self.points:
            return Growth()
        last_s = self.points[-1].at_s
        late = [point for point in self.points if point.at_s >= last_s - _SHORT_S]
        hourly = _hourly(self.points)
        return Growth(_slope(late, _LEAST_SHORT_S), _slope(hourly, _LEAST_LONG_S, _DAY_S))


def _hourly(points: Sequence[Point]) -> list[Point]:
    """The least of each hour."""
    found: dict[float, Point] = {}
    for point in points:
        hour_s = point.at_s // _HOUR_S * _HOUR_S
        least = found.setdefault(hour_s, Point(hour_s, point.used))
        least.used = min(least.used, point.used)
    return list(found.values())


def _slope(points: Sequence[Point], least_s: float, apart_s: float = STEP_S) -> float | None:
    """Bytes a second, between points that are a multiple of `apart_s` apart; None where the points
    span less than `least_s`."""
    if len(points) < 2 or points[-1].at_s - points[0].at_s < least_s:
        return None
    found = [
        (later.used - point.used) / (later.at_s - point.at_s)
        for number, point in enumerate(points)
        for later in points[number + 1 :]
        if (later.at_s - point.at_s) % apart_s == 0
    ]
    return median(found) if found else None
