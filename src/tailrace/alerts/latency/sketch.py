"""How long something took, of the last hour, in little memory."""

from __future__ import annotations

import math
from collections import deque

from tailrace.alerts.latency.report import Delays

# Six of ten minutes each: quantiles are of the last 50 to 60 minutes.
_SLICE_S = 600
_SLICES = 6
# Buckets grow by a tenth from a millisecond to a day.
_LEAST_S = 0.001
_MOST_S = 86_400.0
_GROWTH = math.log(1.1)


class _Slice:
    def __init__(self, number: int) -> None:
        self.number = number
        self.counts: dict[int, int] = {}
        self.worst_s = 0.0


class Sketch:
    """`now_s` is of the monotonic clock. Not thread-safe. At most some kilobytes."""

    def __init__(self) -> None:
        self._slices: deque[_Slice] = deque(maxlen=_SLICES)

    def add(self, seconds: float, now_s: float) -> None:
        number = int(now_s // _SLICE_S)
        if not self._slices or self._slices[-1].number != number:
            self._slices.append(_Slice(number))
        last = self._slices[-1]
        place = _bucket(seconds)
        last.counts[place] = last.counts.get(place, 0) + 1
        last.worst_s = max(last.worst_s, seconds)

    def delays(self, now_s: float) -> Delays:
        """What the last hour gave."""
        oldest = int(now_s // _SLICE_S) - _SLICES + 1
        kept = [one for one in self._slices if one.number >= oldest]
        counts: dict[int, int] = {}
        for one in kept:
            for place, count in one.counts.items():
                counts[place] = counts.get(place, 0) + count
        total = sum(counts.values())
        if not total:
            return Delays(0)
        worst_s = max(one.worst_s for one in kept)
        p50_s, p99_s = (min(_at(counts, total * share), worst_s) for share in (0.5, 0.99))
        return Delays(total, p50_s, p99_s, worst_s)


def _bucket(seconds: float) -> int:
    """The number of the bucket whose upper bound is the first that is not below."""
    return max(0, math.ceil(math.log(min(max(seconds, _LEAST_S), _MOST_S) / _LEAST_S) / _GROWTH))


def _at(counts: dict[int, int], rank: float) -> float:
    """The upper bound of the bucket that holds this rank."""
    seen = 0
    place = 0
    for place in sorted(counts):
        seen += counts[place]
        if seen >= rank:
            break
    return _LEAST_S * math.exp(place * _GROWTH)
