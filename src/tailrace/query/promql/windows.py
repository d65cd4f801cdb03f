"""Functions of a window over single samples, for all series and steps at once.

The window of a step at `t` is `(t - range, t]`: samples `low` to before `high` of the series. Each
function gives a value per series and step; whether there is one follows from `least`, the number of
samples that it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tailrace.core.errors import QueryError
from tailrace.query.matrix.matrix import Bools, Floats
from tailrace.query.promql.points import Numbers, Points

# Samples that are spread out over their windows at a time: 8 bytes each, some times over.
_SPREAD = 1_000_000


@dataclass(frozen=True, eq=False)
class Windows:
    """The windows of `range_ms` that end at `times` (UTC milliseconds), of every series."""

    points: Points
    times: Numbers
    range_ms: int

    @cached_property
    def _bounds(self) -> tuple[Numbers, Numbers]:
        """Series and time as one number that rises with the points."""
        points = self.points
        if not len(points.times):
            empty = np.zeros((points.series, len(self.times)), np.int64)
            return empty, empty
        first = min(int(points.times.min()), int(self.times.min()) - self.range_ms)
        span = max(int(points.times.max()), int(self.times.max())) - first + 1
        keys = points.places * span + (points.times - first)
        rows = np.arange(points.series, dtype=np.int64)[:, None] * span
        ends = rows + (self.times - first)[None, :]
        low = np.searchsorted(keys, ends - self.range_ms, "right")
        return low, np.searchsorted(keys, ends, "right")

    @property
    def low(self) -> Numbers:
        return self._bounds[0]

    @property
    def high(self) -> Numbers:
        return self._bounds[1]

    @cached_property
    def counts(self) -> Numbers:
        """Samples in each window."""
        return self.high - self.low

    @property
    def first(self) -> Numbers:
        """The number of the first sample; any, where there is none."""
        return np.minimum(self.low, max(len(self.points.times) - 1, 0))

    @property
    def last(self) -> Numbers:
        """The number of the last sample; any, where there is none."""
        return np.maximum(self.high - 1, 0)

    def fold(self, ufunc: np.ufunc, values: Floats, skip: int = 0) -> Floats:
        """`ufunc` over `values` of the samples of each window without the first `skip`; 0 where
        there is none."""
        low, high = (self.low + skip).ravel(), self.high.ravel()
        there = low < high
        found = np.zeros(low.shape)
        if there.any():
            pairs = np.column_stack((low[there], high[there])).ravel()
            padded = np.append(values, 0.0)
            found[there] = ufunc.reduceat(padded, pairs)[::2]
        return found.reshape(self.low.shape)

    def spread(self) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]]:
        """Windows that hold samples, some at a time: their cells, and of all their samples the
        numbers and the place of their window among the cells."""
        counts = self.counts.ravel()
        cells = np.flatnonzero(counts)
        ends = np.cumsum(counts[cells])
        start = 0
        while start < len(cells):
            before = int(ends[start - 1]) if start else 0
            stop = max(int(np.searchsorted(ends, before + _SPREAD, "right")), start + 1)
            some = cells[start:stop]
            sizes = counts[some]
            window = np.repeat(np.arange(len(some)), sizes)
            begins = np.cumsum(sizes) - sizes
            numbers = self.low.ravel()[some][window] + np.arange(len(window)) - begins[window]
            yield some, numbers, window
            start = stop


Function = Callable[[Windows], Floats]


def evaluate(function: str, windows: Windows) -> tuple[Floats, Bools]:
    """Values and where there are any, `(series, steps)`. `function` is one of FUNCTIONS."""
    found, least = FUNCTIONS[function]
    there = windows.counts >= least
    if not len(windows.points.times):
        return np.zeros(there.shape), np.zeros(there.shape, np.bool_)
    with np.errstate(all="ignore"):
        return np.where(there, found(windows), 0.0), there


def _sum(windows: Windows) -> Floats:
    return windows.fold(np.add, windows.points.values)


def _avg(windows: Windows) -> Floats:
    mean = _sum(windows) / windows.counts
    if np.isfinite(mean).all():
        return mean
    # The sum may be more than a float holds where the mean is not.
    parts = windows.fold(np.add, windows.points.values / 1024.0) / windows.counts * 1024.0
    return np.where(np.isinf(mean), parts, mean)


def _min(windows: Windows) -> Floats:
    return windows.fold(np.fmin, windows.points.values)


def _max(windows: Windows) -> Floats:
    return windows.fold(np.fmax, windows.points.values)


def _last(windows: Windows) -> Floats:
    found: Floats = windows.points.values[windows.last]
    return found


def _first(windows: Windows) -> Floats:
    found: Floats = windows.points.values[windows.first]
    return found


def _seconds(windows: Windows, numbers: Numbers) -> Floats:
    found: Floats = windows.points.times[numbers] / 1000.0
    return found


def _flags(windows: Windows, flags: Bools) -> Floats:
    """Of each window, how many samples after its first have the flag."""
    sums = np.concatenate(([0], np.cumsum(flags)))
    begin = np.minimum(windows.low + 1, windows.high)
    found: Floats = (sums[windows.high] - sums[begin]).astype(np.float64)
    return found


def _changes(windows: Windows) -> Floats:
    values = windows.points.values
    flags = np.zeros(len(values), np.bool_)
    both_nan = np.isnan(values[1:]) & np.isnan(values[:-1])
    flags[1:] = (values[1:] != values[:-1]) & ~both_nan
    return _flags(windows, flags)


def _resets(windows: Windows) -> Floats:
    values = windows.points.values
    flags = np.zeros(len(values), np.bool_)
    flags[1:] = values[1:] < values[:-1]
    return _flags(windows, flags)


def _extrapolated(windows: Windows, counter: bool, per_second: bool) -> Floats:
    """The change over the whole window, as if it went on to its ends in the way it does inside:
    by at most half of the mean distance of samples where the next one is missing, and a counter
    not below 0. Source: Prometheus, functions.go, extrapolatedRate."""
    values, times = windows.points.values, windows.points.times
    first, last = windows.first, windows.last
    change = values[last] - values[first]
    if counter:
        lost = np.zeros(len(values))
        lost[1:] = np.where(values[1:] < values[:-1], values[:-1], 0.0)
        change = change + windows.fold(np.add, lost, skip=1)
    inside = (times[last] - times[first]) / 1000.0
    mean = inside / (windows.counts - 1)
    to_start = (times[first] - (windows.times[None, :] - windows.range_ms)) / 1000.0
    to_end = (windows.times[None, :] - times[last]) / 1000.0
    to_start = np.where(to_start >= mean * 1.1, mean / 2, to_start)
    if counter:
        to_zero = inside * (values[first] / change)
        rising = (change > 0) & (values[first] >= 0)
        to_start = np.where(rising, np.fmin(to_start, to_zero), to_start)
    to_end = np.where(to_end >= mean * 1.1, mean / 2, to_end)
    found: Floats = change * ((inside + to_start + to_end) / inside)
    return found / (windows.range_ms / 1000.0) if per_second else found


def _instant(windows: Windows, counter: bool) -> Floats:
    """Between the last two samples."""
    values, times = windows.points.values, windows.points.times
    last = windows.last
    before = np.maximum(last - 1, 0)
    change = values[last] - values[before]
    if not counter:
        return change
    change = np.where(values[last] < values[before], values[last], change)
    found: Floats = change / ((times[last] - times[before]) / 1000.0)
    return found


def _variance(windows: Windows) -> Floats:
    values = windows.points.values
    mean = _avg(windows).ravel()
    found = np.zeros(mean.shape)
    for cells, numbers, window in windows.spread():
        apart = values[numbers] - mean[cells][window]
        found[cells] = np.bincount(window, apart * apart, len(cells)) / np.bincount(window)
    return found.reshape(windows.counts.shape)


def quantile(windows: Windows, q: float) -> Floats:
    """Linear between neighbours, also by a part of 0, so that an infinite one makes NaN, as in
    Prometheus; NaN is smaller than any number."""
    shape = windows.counts.shape
    if np.isnan(q) or q < 0 or q > 1:
        return np.full(shape, np.nan if np.isnan(q) else np.copysign(np.inf, q))
    return _ordered(windows, windows.points.values, None, q)


def _ordered(windows: Windows, values: Floats, centre: Floats | None, q: float) -> Floats:
    """The quantile of the values of each window, or of their distance from its `centre`."""
    found = np.zeros(windows.counts.size)
    for cells, numbers, window in windows.spread():
        own = values[numbers]
        if centre is not None:
            own = np.abs(own - centre.ravel()[cells][window])
        numbers_first = ~np.isnan(own)
        own = own[np.lexsort((np.where(numbers_first, own, 0.0), numbers_first, window))]
        sizes = np.bincount(window)
        begins = np.cumsum(sizes) - sizes
        rank = q * (sizes - 1)
        low = np.floor(rank).astype(np.intp)
        high = np.minimum(low + 1, sizes - 1)
        part = rank - low
        least, most = own[begins + low], own[begins + high]
        found[cells] = least * (1 - part) + most * part
    return found.reshape(windows.counts.shape)


def _mad(windows: Windows) -> Floats:
    """The median distance from the median."""
    return _ordered(windows, windows.points.values, quantile(windows, 0.5), 0.5)


def _moment_of(windows: Windows, extreme: Function) -> Floats:
    """The time of the last sample that has the extreme value."""
    values = windows.points.values
    wanted = extreme(windows).ravel()
    found = np.zeros(wanted.shape)
    for cells, numbers, window in windows.spread():
        target = wanted[cells][window]
        same = (values[numbers] == target) | (np.isnan(values[numbers]) & np.isnan(target))
        found[cells[window[same]]] = windows.points.times[numbers[same]] / 1000.0
    return found.reshape(windows.counts.shape)


def line(windows: Windows, now: Numbers | None = None) -> tuple[Floats, Floats]:
    """Slope a second and intercept of the line of least squares through each window; the intercept
    is at its first sample, or at the times `now` of the steps."""
    values, times = windows.points.values, windows.points.times
    slope, intercept = np.zeros(windows.counts.size), np.zeros(windows.counts.size)
    origins = times[windows.first] if now is None else np.broadcast_to(now, windows.counts.shape)
    origins = origins.ravel()
    for cells, numbers, window in windows.spread():
        x = (times[numbers] - origins[cells][window]) / 1000.0
        y = values[numbers]
        n = np.bincount(window).astype(np.float64)
        mean_x, mean_y = (np.bincount(window, column) / n for column in (x, y))
        apart = x - mean_x[window]
        own = np.bincount(window, apart * (y - mean_y[window])) / np.bincount(window, apart * apart)
        flat = np.bincount(window, y == y[np.cumsum(n).astype(np.intp) - 1][window]) == n
        level = y[np.cumsum(n).astype(np.intp) - 1]
        own = np.where(flat, np.where(np.isfinite(level), 0.0, np.nan), own)
        slope[cells] = own
        intercept[cells] = np.where(flat & np.isfinite(level), level, mean_y - own * mean_x)
    shape = windows.counts.shape
    return slope.reshape(shape), intercept.reshape(shape)


def smoothed(windows: Windows, factor: float, trend_factor: float) -> Floats:
    """Double exponential smoothing: the level after the last sample. Source: Holt's linear method
    as Prometheus documents it."""
    values = windows.points.values
    found = np.zeros(windows.counts.size)
    lows, counts = windows.low.ravel(), windows.counts.ravel()
    for cell in np.flatnonzero(counts >= 2):
        own = values[lows[cell] : lows[cell] + counts[cell]].tolist()
        earlier, level, trend = own[0], own[0], own[1] - own[0]
        for number, value in enumerate(own[1:]):
            if number:
                trend = trend_factor * (level - earlier) + (1 - trend_factor) * trend
            earlier, level = level, factor * value + (1 - factor) * (level + trend)
        found[cell] = level
    return found.reshape(windows.counts.shape)


# Each function, and how many samples it needs.
FUNCTIONS: Mapping[str, tuple[Function, int]] = {
    "avg_over_time": (_avg, 1),
    "changes": (_changes, 1),
    "count_over_time": (lambda windows: windows.counts.astype(np.float64), 1),
    "delta": (lambda windows: _extrapolated(windows, False, False), 2),
    "deriv": (lambda windows: line(windows)[0], 2),
    "first_over_time": (_first, 1),
    "idelta": (lambda windows: _instant(windows, False), 2),
    "increase": (lambda windows: _extrapolated(windows, True, False), 2),
    "irate": (lambda windows: _instant(windows, True), 2),
    "last_over_time": (_last, 1),
    "mad_over_time": (_mad, 1),
    "max_over_time": (_max, 1),
    "min_over_time": (_min, 1),
    "present_over_time": (lambda windows: np.ones(windows.counts.shape), 1),
    "rate": (lambda windows: _extrapolated(windows, True, True), 2),
    "resets": (_resets, 1),
    "stddev_over_time": (lambda windows: np.sqrt(_variance(windows)), 1),
    "stdvar_over_time": (_variance, 1),
    "sum_over_time": (_sum, 1),
    "ts_of_first_over_time": (lambda windows: _seconds(windows, windows.first), 1),
    "ts_of_last_over_time": (lambda windows: _seconds(windows, windows.last), 1),
    "ts_of_max_over_time": (lambda windows: _moment_of(windows, _max), 1),
    "ts_of_min_over_time": (lambda windows: _moment_of(windows, _min), 1),
}


def evaluate_with(
    function: str, windows: Windows, given: Sequence[Floats], now: Numbers
) -> tuple[Floats, Bools]:
    """As `evaluate`, of a function that takes numbers, which are `given` per step; `now` are the
    times from which a prediction counts. Raises QueryError."""
    least = 1 if function == "quantile_over_time" else 2
    there = windows.counts >= least
    if not len(windows.points.times):
        return np.zeros(there.shape), np.zeros(there.shape, np.bool_)
    with np.errstate(all="ignore"):
        if function == "predict_linear":
            slope, intercept = line(windows, now)
            found = intercept + slope * given[0][None, :]
        elif function == "quantile_over_time":
            found = _per_step(windows, given, lambda some, q: quantile(some, q))
        else:
            found = _per_step(windows, given, _smoothed_within)
    return np.where(there, found, 0.0), there


def _per_step(
    windows: Windows, given: Sequence[Floats], evaluate_one: Callable[..., Floats]
) -> Floats:
    """With numbers that may be others at each step."""
    if all((own == own[0]).all() or np.isnan(own).all() for own in given):
        return evaluate_one(windows, *(float(own[0]) for own in given))
    pieces = [
        evaluate_one(
            Windows(windows.points, windows.times[i : i + 1], windows.range_ms),
            *(float(own[i]) for own in given),
        )
        for i in range(len(windows.times))
    ]
    return np.hstack(pieces)


def _smoothed_within(windows: Windows, factor: float, trend_factor: float) -> Floats:
    for name, value in (("smoothing factor", factor), ("trend factor", trend_factor)):
        if not 0 < value < 1:
            raise QueryError(f"double_exponential_smoothing: the {name} must be between 0 and 1")
    return smoothed(windows, factor, trend_factor)
