"""Which times `weekly_baseline` and `weekly_robust_zscore`, of PromQL and LogQL, look at.

A query asks them at the steps of a grid, and each week before is that grid moved by a week. The
baseline takes one sample of each week. The score takes five, a quarter of an hour apart around the
same time, since a median and a deviation of four samples say little.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tailrace.core.limits import QUERY_WEEKS
from tailrace.query.plan import Grid
from tailrace.query.times import HOUR_NS

BASELINE, ZSCORE = "weekly_baseline", "weekly_robust_zscore"
# Of a score a week counts where it has so many of its samples, and so many weeks have to count.
LEAST_SAMPLES = 3
LEAST_WEEKS = 3
# The fewest weeks that each may be asked for.
FUNCTIONS = {BASELINE: 1, ZSCORE: LEAST_WEEKS}
WEEKS = 4
WEEK_NS = 7 * 24 * HOUR_NS
SPACING_NS = HOUR_NS // 4
# Samples of a week on either side of the same time.
_BESIDE = {BASELINE: 0, ZSCORE: 2}


@dataclass(frozen=True)
class Look:
    """One reading in a week before: at the steps of `grid`, of which the steps of the query are
    those from each of `starts` on."""

    grid: Grid
    starts: Sequence[int]


def wrong_weeks(function: str, weeks: float) -> str:
    """What is wrong with a number of weeks; "" when it is right."""
    least = FUNCTIONS[function]
    if weeks in range(least, QUERY_WEEKS + 1):
        return ""
    return f"{function} takes a whole number of weeks from {least} to {QUERY_WEEKS} (QUERY_WEEKS)"


def spans(function: str, weeks: int, start_ns: int, end_ns: int) -> Iterator[tuple[int, int]]:
    """From when to when the steps are that are looked at, for steps from `start_ns` to `end_ns`:
    those themselves where they are, and those of each week before."""
    if function == ZSCORE:
        yield start_ns, end_ns
    beside_ns = _BESIDE[function] * SPACING_NS
    for week in range(1, weeks + 1):
        yield start_ns - week * WEEK_NS - beside_ns, end_ns - week * WEEK_NS + beside_ns


def looks(function: str, week: int, on: Grid) -> Sequence[Look]:
    """The readings of the week that is `week` weeks before `on`: one where its samples lie on one
    grid that is not larger than all of theirs together."""
    beside = _BESIDE[function]
    count = 2 * beside + 1
    first_ns = on.start_ns - week * WEEK_NS - beside * SPACING_NS
    if on.steps == 1 and beside:
        return [Look(Grid(first_ns, SPACING_NS, count), range(count))]
    apart, rest = divmod(SPACING_NS, on.step_ns)
    if not beside or (not rest and apart <= on.steps):
        starts = range(0, count * apart, apart) if beside else (0,)
        return [Look(Grid(first_ns, on.step_ns, on.steps + starts[-1]), starts)]
    return [
        Look(Grid(first_ns + number * SPACING_NS, on.step_ns, on.steps), (0,))
        for number in range(count)
    ]
