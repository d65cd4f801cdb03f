"""Functions of every value of a window: quantiles, deviations, counters."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tailrace.query.logs.windows import Array

# Values in order of time, their weights, their times in seconds after the window's start; the
# length of the window in seconds; the parameter.
Function = Callable[[Array, Array, Array, float, float], float]


def quantile(values: Array, weights: Array, q: float) -> float:
    """Prometheus' quantile, linear between neighbours, of values that each stand for `weights`;
    NaN is smaller than any number."""
    if math.isnan(q):
        return math.nan
    if q < 0 or q > 1:
        return math.copysign(math.inf, q)
    order = np.lexsort((values, ~np.isnan(values)))
    ends = np.cumsum(weights[order])
    rank = q * (float(ends[-1]) - 1)
    low = math.floor(rank)
    high = min(low + 1, int(ends[-1]) - 1)
    below, above = values[order][np.searchsorted(ends, [low, high], side="right")]
    part = rank - low
    return float(below * (1 - part) + above * part)


def variance(values: Array, weights: Array) -> float:
    """Of the whole population, as stdvar_over_time means it."""
    total = float(weights.sum())
    mean = float((values * weights).sum()) / total
    return float((weights * (values - mean) ** 2).sum()) / total


def rate_of_counter(values: Array, times: Array, window_s: float) -> float:
    """Prometheus' rate: what a counter grew, resets included, extrapolated to the window's ends.

    An end is reached when it is not much farther away than samples are from one another, else half
    of that distance; never to where the counter would have been below zero. The values must be of
    at least two times.
    """
    sampled = float(times[-1] - times[0])
    steps = np.diff(values)
    grown = float(np.where(steps < 0, values[1:], steps).sum())
    between = sampled / (len(values) - 1)
    before, after = float(times[0]), window_s - float(times[-1])
    before = between / 2 if before >= 1.1 * between else before
    after = between / 2 if after >= 1.1 * between else after
    if grown > 0 and values[0] >= 0:
        before = min(before, sampled * float(values[0]) / grown)
    return grown * (sampled + before + after) / sampled / window_s


FUNCTIONS: dict[str, Function] = {
    "quantile_over_time": lambda v, w, t, s, q: quantile(v, w, q),
    "stdvar_over_time": lambda v, w, t, s, q: variance(v, w),
    "rate_counter": lambda v, w, t, s, q: rate_of_counter(v, t, s),
    "stddev_over_time": lambda v, w, t, s, q: math.sqrt(variance(v, w)),
}
