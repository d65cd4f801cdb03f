"""Windows over every value: for functions that cannot be put together from cells."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tailrace.core.errors import QueryError
from tailrace.core.limits import QUERY_VALUES
from tailrace.query.logs.quantile import FUNCTIONS
from tailrace.query.logs.samples import Samples
from tailrace.query.logs.windows import Array, Window


class Values:
    """All samples of an aggregation, at most QUERY_VALUES."""

    def __init__(self) -> None:
        self._added: list[Samples] = []
        self._count = 0

    def add(self, samples: Samples) -> None:
        """Raises QueryError when they are too many."""
        self._count += len(samples.series)
        if self._count > QUERY_VALUES:
            raise QueryError(
                f"the query needs more than {QUERY_VALUES} values at once (QUERY_VALUES); "
                "narrow the time range or the selector"
            )
        self._added.append(samples)

    @property
    def heaviest(self) -> int:
        return max((int(one.weights.max(initial=1)) for one in self._added), default=1)

    def windows(
        self, function: str, parameter: float, window: Window, count: int
    ) -> tuple[Array, Array]:
        """How many rows each window (series, steps) holds, and the function of their values."""
        rows = np.zeros((count, window.steps))
        found = np.zeros((count, window.steps))
        for series, samples in enumerate(_by_series(self._added, count)):
            with np.errstate(invalid="ignore"):
                self._one(
                    FUNCTIONS[function], samples, parameter, window, rows[series], found[series]
                )
        return rows, found

    @staticmethod
    def _one(
        function: object, samples: Samples, parameter: float, window: Window, rows: Array,
        found: Array,
    ) -> None:  # fmt: skip
        assert callable(function)
        first = window.origin_ns + (window.whole + 1) * window.step_ns
        ends = first + np.arange(window.steps) * window.step_ns
        lows = np.searchsorted(samples.times, ends - window.range_ns, side="right")
        highs = np.searchsorted(samples.times, ends, side="right")
        seconds = window.range_ns / 1e9
        # One sample has no rate.
        counter = function is FUNCTIONS["rate_counter"]
        for step in np.flatnonzero(highs > lows):
            low, high = lows[step], highs[step]
            if counter and samples.times[low] == samples.times[high - 1]:
                continue
            rows[step] = high - low
            found[step] = function(
                samples.values[low:high], samples.weights[low:high],
                (samples.times[low:high] - ends[step] + window.range_ns) / 1e9, seconds, parameter,
            )  # fmt: skip


def _by_series(added: Sequence[Samples], count: int) -> list[Samples]:
    """The samples of each series in order of time."""
    if not added:
        return [Samples.of([])] * count
    joined = Samples(
        *(
            np.concatenate([getattr(one, name) for one in added])
            for name in ("series", "times", "weights", "values", "sizes")
        )
    )
    order = np.lexsort((joined.times, joined.series))
    bounds = np.searchsorted(joined.series[order], np.arange(count + 1))
    return [
        Samples(
            joined.series[part], joined.times[part], joined.weights[part], joined.values[part],
            joined.sizes[part],
        )
        for part in (order[bounds[n] : bounds[n + 1]] for n in range(count))
    ]  # fmt: skip
