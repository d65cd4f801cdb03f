"""One service and hour: rows as the hot store estimates them, and as the archive counts them.

Of a service's rows that may be sampled out, n by the archive, each is hot with the chance 1/w and
then weighs w. So the estimate is right on average, with the variance n * (w - 1). Rows of a trace
are taken together: that makes the variance larger by the design effect, the mean number of rows
that come with a row (L. Kish, 1965), here by the traces that were taken.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

# Of a normal distribution one in 16,000 lies beyond.
DEVIATIONS = 4.0
# With fewer sampled rows to be expected the distribution is not near enough to a normal one.
LEAST_SAMPLED = 30
# A threshold has four digits, so a share is that of its weight but for so much.
_ROUNDED = 2e-4
_BITS = 56


class Hot(msgspec.Struct, frozen=True):
    """Hot rows of a service with one sampling threshold: the sum of their weights, how many weigh
    1, and the design effect of the others."""

    estimated: int
    kept: int
    effect: float = 1.0


class Compared(msgspec.Struct, frozen=True):
    """`deviation`: of the estimate, in rows. `judged`: whether there are rows enough to say more
    than that; `outside`: the exact number is further away than chance has it."""

    service: str
    hour_ns: int
    estimated: int
    exact: int
    deviation: float
    judged: bool
    outside: bool

    @property
    def error(self) -> float:
        """Of the estimate, in parts of the exact number."""
        return (self.estimated - self.exact) / self.exact if self.exact else 0.0


def compare(
    service: str, hour_ns: int, hot: Mapping[str, Hot], archived: Mapping[str, int]
) -> Compared:
    """`hot` and `archived`, rows, are by the threshold that a row's resource names, "" for none."""
    estimated = sum(one.estimated for one in hot.values())
    exact = sum(archived.values())
    variance = expected = 0.0
    for threshold, rows in archived.items():
        weight = weight_of(threshold)
        known = hot.get(threshold, Hot(0, 0))
        sampled = max(0, rows - known.kept)
        variance += sampled * (weight - 1) * max(1.0, known.effect)
        expected += sampled / weight if weight > 1 else 0.0
    deviation = math.sqrt(variance)
    judged = expected >= LEAST_SAMPLED
    allowed = DEVIATIONS * deviation + _ROUNDED * exact
    outside = judged and abs(estimated - exact) > allowed
    return Compared(service, hour_ns, estimated, exact, deviation, judged, outside)


def weight_of(threshold: str) -> int:
    """What a row weighs that was taken by it; 1 where it says nothing. Its digits are those of
    OpenTelemetry's `th`: the hexadecimal fraction of rows that are not taken."""
    digits = _BITS // 4
    try:
        found = int(threshold.ljust(digits, "0"), 16) if 0 < len(threshold) <= digits else 0
    except ValueError:
        return 1
    return round(2**_BITS / (2**_BITS - found)) if found >= 0 else 1
