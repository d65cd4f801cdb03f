"""Quantiles and fractions of classic histograms: series of buckets with their upper bound in `le`.

Source: Prometheus, quantile.go: bucketQuantile and BucketFraction.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tailrace.query.labels import Labels
from tailrace.query.matrix.groups import numbered, without_name
from tailrace.query.matrix.matrix import Bools, Floats, Matrix
from tailrace.query.matrix.merging import merged

_LE = "le"
# Differences of counts below this part of them come of sums of floats, not of the histogram.
_TOLERANCE = 1e-12
# Of the same buckets at some steps: upper bounds (buckets,), counts (buckets, steps) that never
# fall; gives a number per step.
Measure = Callable[[Floats, Floats], Floats]


def histogram_quantile(buckets: Matrix, q: Floats) -> tuple[Matrix, bool]:
    """The quantile of each histogram, `q` per step; and whether counts had to be mended, since a
    larger bucket held less."""

    def measured(steps: NDArray[np.intp]) -> Measure:
        return lambda bounds, counts: _quantile(bounds, counts, q[steps])

    return _measured(buckets, measured)


def histogram_fraction(buckets: Matrix, low: Floats, high: Floats) -> tuple[Matrix, bool]:
    """The part of the observations of each histogram that lies between `low` and `high`, which are
    per step."""

    def measured(steps: NDArray[np.intp]) -> Measure:
        return lambda bounds, counts: _fraction(bounds, counts, low[steps], high[steps])

    return _measured(buckets, measured)


def _measured(
    buckets: Matrix, measure: Callable[[NDArray[np.intp]], Measure]
) -> tuple[Matrix, bool]:
    bounds = [_bound(labels) for labels in buckets.labels]
    rows = np.array([n for n, bound in enumerate(bounds) if bound is not None], np.intp)
    keys, numbers = numbered(_histogram(buckets.labels[row]) for row in rows)
    uppers = np.array([bounds[row] for row in rows], np.float64)
    shape = (len(keys), buckets.steps)
    values, present = np.zeros(shape), np.zeros(shape, np.bool_)
    mended = False
    for group in range(len(keys)):
        own = np.flatnonzero(numbers == group)
        own = own[np.argsort(uppers[own], kind="stable")]
        there = buckets.present[rows[own]]
        present[group] = there.any(axis=0)
        for steps, pattern in _alike(there):
            chosen = own[pattern]
            with np.errstate(all="ignore"):
                upper, counts = _joined(uppers[chosen], buckets.values[rows[chosen]][:, steps])
                counts, fell = _rising(counts)
                values[group, steps] = measure(steps)(upper, counts)
            mended = mended or fell
    return merged(list(map(without_name, keys)), values, present, None).without_empty(), mended


def _bound(labels: Labels) -> float | None:
    """The upper bound of a bucket; None where a series is none."""
    text = dict(labels).get(_LE, "")
    try:
        bound = float(text) if "_" not in text else math.nan
    except ValueError:
        return None
    return None if math.isnan(bound) else bound


def _histogram(labels: Labels) -> Labels:
    """What the buckets of a histogram have in common, with its name."""
    return tuple(pair for pair in labels if pair[0] != _LE)


def _alike(there: Bools) -> list[tuple[NDArray[np.intp], Bools]]:
    """Steps at which the same buckets have a value, and which those are."""
    patterns, which = np.unique(there.T, axis=0, return_inverse=True)
    which = which.reshape(-1)
    return [
        (np.flatnonzero(which == number), pattern)
        for number, pattern in enumerate(patterns)
        if pattern.any()
    ]


def _joined(uppers: Floats, counts: Floats) -> tuple[Floats, Floats]:
    """Buckets of one bound as one."""
    unique, which = np.unique(uppers, return_inverse=True)
    if len(unique) == len(uppers):
        return uppers, counts
    summed = np.zeros((len(unique), counts.shape[1]))
    np.add.at(summed, which.reshape(-1), counts)
    return unique, summed


def _rising(counts: Floats) -> tuple[Floats, bool]:
    """Counts that never fall, and whether they did by more than a sum of floats may."""
    filled = np.where(np.isnan(counts), -np.inf, counts)
    rising = np.maximum.accumulate(filled, axis=0)
    rising = np.where(np.isnan(counts), counts, rising)
    fell = bool(np.any(rising - counts > _TOLERANCE * np.abs(rising)))
    return rising, fell


def _quantile(bounds: Floats, counts: Floats, q: Floats) -> Floats:
    total = counts[-1]
    if len(bounds) < 2 or not math.isinf(bounds[-1]) or bounds[-1] < 0:
        found = np.full(total.shape, np.nan)
    else:
        rank = q * total
        # The first bucket that holds the rank; the last one has no upper bound.
        which = np.minimum((counts[:-1] < rank).sum(axis=0), len(bounds) - 1)
        steps = np.arange(len(total))
        start = np.where(which > 0, bounds[np.maximum(which - 1, 0)], 0.0)
        before = np.where(which > 0, counts[np.maximum(which - 1, 0), steps], 0.0)
        inside = counts[which, steps] - before
        found = start + (bounds[which] - start) * ((rank - before) / inside)
        found = np.where(which == len(bounds) - 1, bounds[-2], found)
        found = np.where((which == 0) & (bounds[0] <= 0), bounds[0], found)
        found = np.where(total == 0, np.nan, found)
    found = np.where(q < 0, -np.inf, np.where(q > 1, np.inf, found))
    return _but_nan(found, np.isnan(q))


def _fraction(bounds: Floats, counts: Floats, low: Floats, high: Floats) -> Floats:
    total = counts[-1]
    if not math.isinf(bounds[-1]) or bounds[-1] < 0:
        return np.full(total.shape, np.nan)
    least, most = (_rank(bounds, counts, limit) for limit in (low, high))
    found: Floats = np.where(low >= high, 0.0, (most - least) / total)
    return _but_nan(found, (total == 0) | np.isnan(low) | np.isnan(high))


def _but_nan(values: Floats, where: Bools) -> Floats:
    found: Floats = np.where(where, np.nan, values)
    return found


def _rank(bounds: Floats, counts: Floats, limit: Floats) -> Floats:
    """How many observations lie below `limit`."""
    found: Floats = counts[-1].copy()
    done = np.zeros(found.shape, np.bool_)
    start = 0.0 if bounds[0] > 0 else -np.inf
    before = np.zeros(found.shape)
    for bound, count in zip(bounds, counts, strict=True):
        below = ~done & (start >= limit)
        found = np.where(below, before, found)
        inside = ~done & ~below & (bound > limit)
        part = (limit - start) / (bound - start) if np.isfinite(bound - start) else 0.0
        found = np.where(inside, before + (count - before) * part, found)
        done |= below | inside
        start, before = float(bound), count
    return found
