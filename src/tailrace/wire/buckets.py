"""Buckets of histograms, as Prometheus counts them: each with all that are at or below its bound.

An exponential histogram of scale s has buckets (b**i, b**(i+1)] with b = 2 ** 2**-s, the same below
zero mirrored, and one around zero. Two neighbours at one scale are exactly one bucket of the scale
below, so a histogram that is too fine is made coarser without error. A bound is computed from its
exponent alone, thus bounds that mean the same are the same number at every scale. Native histograms
of Prometheus are the same but for their numbering: its bucket i is i - 1 here.
Source: opentelemetry-proto, metrics/v1, and the OpenTelemetry metrics data model;
https://prometheus.io/docs/specs/native_histograms/
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from tailrace.core import limits
from tailrace.core.errors import InputError, TooLarge

# Upper bounds, ascending, the last +Inf, and how many values are at or below each.
Buckets = list[tuple[float, float]]
Run = tuple[int, Sequence[float]]  # the first index, and counts from there on
# What SDKs choose from, with room: beyond it bounds are no longer numbers apart.
SCALES = range(-11, 21)
# Bounds that are no bucket's upper one: zero's, +Inf, and those below the lowest on either side.
_EDGES = 4


def explicit(bounds: Sequence[float], counts: Sequence[float], total: float) -> Buckets:
    """Of a histogram with its own bounds. Without buckets only +Inf is left, with `total`.

    Raises InputError ("field") when bounds and counts do not fit together, and TooLarge.
    """
    if not counts and not bounds:
        return [(math.inf, total)]
    if len(counts) != len(bounds) + 1:
        raise InputError("must have one count more than it has bounds", "field")
    if len(counts) > limits.BUCKETS_PER_POINT:
        raise TooLarge(f"has more than {limits.BUCKETS_PER_POINT} buckets", "attributes")
    ascending = all(low < high for low, high in pairwise(bounds))
    if not ascending or any(map(math.isnan, bounds)):
        raise InputError("bounds must be numbers that ascend", "field")
    return _cumulative([*zip(bounds, counts, strict=False), (math.inf, counts[-1])])


def exponential(
    scale: int,
    negative: Iterable[Run],
    zero: tuple[float, float],
    positive: Iterable[Run],
    total: float,
) -> Buckets:
    """Of an exponential histogram; `zero` is the threshold and the count of the bucket around it.

    Runs do not overlap. Raises InputError ("field") for a scale out of bounds, and TooLarge where
    no scale makes the buckets few enough.
    """
    if scale not in SCALES:
        raise InputError(f"scale must be {SCALES[0]} to {SCALES[-1]}", "field")
    below, above = _used(negative), _used(positive)
    halvings = _halvings(scale, [side for side in (below, above) if side])
    below, above, scale = _coarser(below, halvings), _coarser(above, halvings), scale - halvings
    found: Buckets = []
    if below:
        places = range(max(below), min(below) - 1, -1)
        found = [(-_power(places[0] + 1, scale), 0)]
        found += [(-_power(index, scale), below.get(index, 0)) for index in places]
    threshold, in_zero = zero
    if in_zero or below or above:
        found.append((max(0.0, threshold) if math.isfinite(threshold) else 0.0, in_zero))
    if above:
        places = range(min(above), max(above) + 1)
        found.append((_power(places[0], scale), 0))
        found += [(_power(index + 1, scale), above.get(index, 0)) for index in places]
    return _cumulative([*found, (math.inf, 0)], total)


def spelled(value: float) -> str:
    """A bound or a quantile as a label: "5", "0.25", "+Inf"."""
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(value).removesuffix(".0")


def _used(runs: Iterable[Run]) -> dict[int, float]:
    """Counts by index, of the buckets that count something."""
    return {
        offset + place: number
        for offset, counts in runs
        for place, number in enumerate(counts)
        if number
    }


def _halvings(scale: int, sides: Sequence[Mapping[int, float]]) -> int:
    """How often two neighbours must become one until all buckets, from the first that is used to
    the last, are few enough."""
    ends = [(min(side), max(side)) for side in sides]
    for number in range(scale - SCALES[0] + 1):
        places = sum((last >> number) - (first >> number) + 1 for first, last in ends)
        if places <= limits.BUCKETS_PER_POINT - _EDGES:
            return number
    raise TooLarge(f"has more than {limits.BUCKETS_PER_POINT} buckets", "attributes")


def _coarser(counts: Mapping[int, float], halvings: int) -> dict[int, float]:
    found: dict[int, float] = {}
    for index, number in counts.items():
        found[index >> halvings] = found.get(index >> halvings, 0) + number
    return found


def _power(index: int, scale: int) -> float:
    """b ** index; what is no finite number is +Inf, what is too small is 0."""
    exponent = math.ldexp(index, -scale)
    return math.inf if exponent >= 1024 else 2.0**exponent if exponent > -1080 else 0.0


def _cumulative(found: Buckets, total: float = 0) -> Buckets:
    """Running sums; buckets whose bounds are not apart become one."""
    out: Buckets = []
    running: float = 0
    for bound, number in found:
        running += number
        if out and bound <= out[-1][0]:
            out[-1] = (out[-1][0], running)
        else:
            out.append((bound, running))
    out[-1] = (out[-1][0], max(running, total))
    return out
