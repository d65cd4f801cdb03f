"""Buckets of histograms, as Prometheus counts them: each with all that are at or below its bound.

An exponential histogram of scale s has buckets (b**i, b**(i+1)] with b = 2 ** 2**-s, the same below
zero mirrored, and one around zero. Two neighbours at one scale are exactly one bucket of the scale
below, so a histogram that is too fine is made coarser without error. A bound is computed from its
exponent alone, thus bounds that mean the same are the same number at every scale.
Source: opentelemetry-proto, metrics/v1, and the OpenTelemetry metrics data model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from tailrace.core import limits
from tailrace.core.errors import InputError, TooLarge

# Upper bounds, ascending, the last +Inf, and how many values are at or below each.
Buckets = list[tuple[float, int]]
Run = tuple[int, Sequence[int]]  # the first index, and counts from there on
# What SDKs choose from, with room: beyond it bounds are no longer numbers apart.
SCALES = range(-11, 21)
# Bounds that are no bucket's upper one: zero's, +Inf, and those below the lowest on either side.
_EDGES = 4


def explicit(bounds: Sequence[float], counts: Sequence[int], total: int) -> Buckets:
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
    scale: int, negative: Run, zero: tuple[float, int], positive: Run, total: int
) -> Buckets:
    """Of an exponential histogram; `zero` is the threshold and the count of the bucket around it.

    Raises InputError ("field") for a scale out of bounds.
    """
    if scale not in SCALES:
        raise InputError(f"scale must be {SCALES[0]} to {SCALES[-1]}", "field")
    below, above = _filled(negative), _filled(positive)
    while len(below) + len(above) > limits.BUCKETS_PER_POINT - _EDGES:
        if scale == SCALES[0]:
            raise TooLarge(f"has more than {limits.BUCKETS_PER_POINT} buckets", "attributes")
        below, above, scale = _coarser(below), _coarser(above), scale - 1
    found: Buckets = []
    if below:
        found = [(-_power(max(below) + 1, scale), 0)]
        found += [(-_power(index, scale), below[index]) for index in sorted(below, reverse=True)]
    threshold, in_zero = zero
    if in_zero or below or above:
        found.append((max(0.0, threshold) if math.isfinite(threshold) else 0.0, in_zero))
    if above:
        found.append((_power(min(above), scale), 0))
        found += [(_power(index + 1, scale), above[index]) for index in sorted(above)]
    return _cumulative([*found, (math.inf, 0)], total)


def _filled(run: Run) -> dict[int, int]:
    """Counts by index, from the first bucket that counts something to the last."""
    offset, counts = run
    used = [place for place, number in enumerate(counts) if number]
    if not used:
        return {}
    return {offset + place: counts[place] for place in range(used[0], used[-1] + 1)}


def _coarser(counts: dict[int, int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for index, number in counts.items():
        found[index >> 1] = found.get(index >> 1, 0) + number
    return found


def _power(index: int, scale: int) -> float:
    """b ** index; what is no finite number is +Inf, what is too small is 0."""
    exponent = math.ldexp(index, -scale)
    return math.inf if exponent >= 1024 else 2.0**exponent if exponent > -1080 else 0.0


def _cumulative(found: Buckets, total: int = 0) -> Buckets:
    """Running sums; buckets whose bounds are not apart become one."""
    out: Buckets = []
    running = 0
    for bound, number in found:
        running += number
        if out and bound <= out[-1][0]:
            out[-1] = (out[-1][0], running)
        else:
            out.append((bound, running))
    out[-1] = (out[-1][0], max(running, total))
    return out
