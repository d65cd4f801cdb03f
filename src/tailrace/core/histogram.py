"""Counts of values by fixed buckets, as Prometheus' classic histograms are."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

# Seconds. From what a healthy stage takes to what nobody should wait for: alerts are to be sent
# within one minute, so there are several around it.
BOUNDS_S = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 20, 30, 45, 60, 90, 120, 300, 600,
)  # fmt: skip


class Histogram:
    """Not thread-safe."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS_S) + 1)
        self._sum = 0.0

    def add(self, value: float) -> None:
        """Seconds; a value on a bound is below it."""
        self._counts[bisect_left(BOUNDS_S, value)] += 1
        self._sum += value

    def render(self, name: str, label: str) -> Iterator[str]:
        """Lines of Prometheus text, with cumulative buckets."""
        kind = f'kind="{label}"' if label else ""
        total = 0
        for bound, count in zip((*BOUNDS_S, float("inf")), self._counts, strict=True):
            total += count
            le = "+Inf" if bound == float("inf") else f"{bound:g}"
            labels = f'{kind},le="{le}"' if kind else f'le="{le}"'
            yield f"{name}_bucket{{{labels}}} {total}"
        braced = f"{{{kind}}}" if kind else ""
        yield f"{name}_sum{braced} {self._sum:.17g}"
        yield f"{name}_count{braced} {total}"
