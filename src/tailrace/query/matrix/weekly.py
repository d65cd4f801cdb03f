"""What was usual at the same time of the weeks before, and how far from it a value is.

The score is the modified z-score of Iglewicz and Hoaglin, How to Detect and Handle Outliers (ASQC
Basic References in Quality Control 16, 1993): (value - median) / (1.4826 * MAD). 1.4826 is
1 / 0.6745, by which the median absolute deviation of a normal distribution is its standard
deviation. Where the MAD is 0, more than half of the samples being the same, it is 1.253314 times
the mean absolute deviation that stands for it, sqrt(pi / 2) times it in a normal distribution, as
IBM Cognos Analytics has it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tailrace.query.labels import Labels
from tailrace.query.matrix.groups import without_name
from tailrace.query.matrix.matrix import Bools, Floats, Matrix
from tailrace.query.matrix.merging import merged
from tailrace.query.weeks import LEAST_SAMPLES, LEAST_WEEKS

MAD_SCALE = 1.4826
MEAN_SCALE = 1.253314
# Deviations below this part of the median are of the arithmetic, not of what is measured.
_ROUNDING = 1e-9


def baseline(weeks: Sequence[Sequence[Matrix]]) -> Matrix:
    """The median of each series' samples at each step. `weeks`: the samples of each week, every one
    a matrix with the steps of the result.

    Values that are not finite are no samples; a series without any is absent. Names of metrics are
    taken away. Raises QueryError where two series come to the same labels.
    """
    places: dict[Labels, int] = {}
    past = [one for week in weeks for one in week]
    for one in past:
        for labels in one.labels:
            places.setdefault(labels, len(places))
    found = _stacked(past, places)
    present: Bools = np.logical_or.reduce(np.isfinite(found), axis=0)
    return _unnamed(list(places), _median(found), present, _exact(past))


def robust_zscore(now: Matrix, weeks: Sequence[Sequence[Matrix]]) -> Matrix:
    """How many deviations each sample of `now` is above the median of those of `weeks`, as for
    `baseline`; absent where fewer than LEAST_WEEKS have LEAST_SAMPLES each.

    Where all samples are the same it is 0 for that value, and infinite with a sign for any other.
    """
    places = {labels: row for row, labels in enumerate(now.labels)}
    stacks = [_stacked(week, places) for week in weeks]
    enough = _enough(stacks, now)
    past = [one for week in weeks for one in week]
    values = _scores(now.values, np.concatenate(stacks))
    return _unnamed(now.labels, values, now.present & enough, _exact([now, *past]))


def _stacked(samples: Sequence[Matrix], places: dict[Labels, int]) -> Floats:
    """(samples, series, steps) of the series that have a place, NaN where there is none."""
    found = np.full((len(samples), len(places), samples[0].steps), np.nan)
    for layer, one in zip(found, samples, strict=True):
        known = [row for row, labels in enumerate(one.labels) if labels in places]
        rows = np.array(known, np.intp)
        there = one.present[rows] & np.isfinite(one.values[rows])
        layer[[places[one.labels[row]] for row in known]] = np.where(
            there, one.values[rows], np.nan
        )
    return found


def _enough(stacks: Sequence[Floats], now: Matrix) -> Bools:
    weeks = np.zeros(now.values.shape, np.int64)
    for week in stacks:
        weeks += np.isfinite(week).sum(axis=0) >= LEAST_SAMPLES
    found: Bools = weeks >= LEAST_WEEKS
    return found


def _scores(values: Floats, samples: Floats) -> Floats:
    with np.errstate(all="ignore"):
        median = _median(samples)
        rounding = np.abs(median) * _ROUNDING
        away = np.abs(samples - median)
        spread = MAD_SCALE * _median(away)
        spread = np.where(spread > rounding, spread, MEAN_SCALE * _mean(away))
        beyond = values - median
        flat = np.where(np.abs(beyond) > rounding, np.sign(beyond) * np.inf, 0.0)
        flat = np.where(np.isnan(beyond), np.nan, flat)
        return np.where(spread > rounding, beyond / spread, flat)


def _median(samples: Floats) -> Floats:
    """Over the first axis, of what is not NaN; NaN where nothing is."""
    count = (~np.isnan(samples)).sum(axis=0)[None]
    ordered = np.sort(samples, axis=0)  # NaN stands last
    low = np.take_along_axis(ordered, np.maximum(count - 1, 0) // 2, axis=0)[0]
    high = np.take_along_axis(ordered, count // 2 * (count > 0), axis=0)[0]
    found: Floats = np.where(low == high, low, low / 2 + high / 2)
    return found


def _mean(samples: Floats) -> Floats:
    """As `_median`."""
    there = ~np.isnan(samples)
    count = np.maximum(there.sum(axis=0), 1)
    found: Floats = np.where(there, samples / count, 0.0).sum(axis=0)
    return found


def _exact(used: Sequence[Matrix]) -> Floats | None:
    """The variance of what is made of these, by step: of a median of estimates nobody knows it."""
    exact = all(one.variance is not None and not one.variance.any() for one in used)
    return np.zeros(used[0].steps) if exact else None


def _unnamed(
    labels: Sequence[Labels], values: Floats, present: Bools, variance: Floats | None
) -> Matrix:
    sure = None if variance is None else np.zeros_like(values)
    return merged(list(map(without_name, labels)), values, present, sure).without_empty()
