"""Range aggregations as partial results that can be put together.

Rows are folded in cells, in the engine or here; cells into windows. What each function needs of a
cell is a few `Part`s: a cell's value of each is folded with that of its neighbours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tailrace.query.binder import Binder

# "alone" is of cells that are each a window of their own: there is nothing to fold.
Fold = Literal["sum", "min", "max", "first", "last", "alone"]


@dataclass(frozen=True)
class Part:
    """`aggregate(argument)` over the rows of a cell; `{w}`, `{v}`, `{t}` and `{b}` in the argument
    are a row's weight, its unwrapped number, its time and the bytes of its line. `parameter`: SQL
    of the aggregate's own parameter, "" for none."""

    aggregate: str
    argument: str
    fold: Fold
    parameter: str = ""

    def sql(self, condition: str = "") -> str:
        """Over all rows, or over those where `condition` holds."""
        name = f"{self.aggregate}If" if condition else self.aggregate
        argument = f"{self.argument}, {condition}" if condition else self.argument
        return f"{name}({self.parameter})({argument})" if self.parameter else f"{name}({argument})"


def _sums(value: str) -> tuple[Part, Part]:
    """An estimate of a sum from sampled rows, and the variance of that estimate (of Horvitz and
    Thompson: a row of weight w was kept with chance 1/w)."""
    own = f"toFloat64({value})"
    return (
        Part("sum", f"w * {own}", "sum"),
        Part("sum", f"w * (w - 1) * {own} * {own}", "sum"),
    )


ROWS = Part("sum", "1", "sum")
HEAVIEST = Part("max", "w", "max")
COUNT, COUNT_VARIANCE = Part("sum", "w", "sum"), Part("sum", "w * (w - 1)", "sum")
BYTES, BYTES_VARIANCE = _sums("b")
SUM, SUM_VARIANCE = _sums("v")
LEAST, MOST = Part("min", "v", "min"), Part("max", "v", "max")
FIRST, LAST = Part("argMin", "v, t", "first"), Part("argMax", "v, t", "last")

# The parts of each function; those that need every value of a window are not among them.
PARTS: Mapping[str, tuple[Part, ...]] = {
    "count_over_time": (COUNT, COUNT_VARIANCE),
    "rate": (COUNT, COUNT_VARIANCE),
    "bytes_over_time": (BYTES, BYTES_VARIANCE),
    "bytes_rate": (BYTES, BYTES_VARIANCE),
    "sum_over_time": (SUM, SUM_VARIANCE),
    "avg_over_time": (SUM, COUNT),
    "min_over_time": (LEAST,),
    "max_over_time": (MOST,),
    "first_over_time": (FIRST,),
    "last_over_time": (LAST,),
}
PER_SECOND = frozenset({"rate", "bytes_rate"})
# Functions over every value of a window.
WHOLE = frozenset({"quantile_over_time", "stddev_over_time", "stdvar_over_time", "rate_counter"})
# Of these, what the engine computes as values.py does where all rows have weight 1.
_DEVIATIONS = {"stddev_over_time": "stddevPopStable", "stdvar_over_time": "varPopStable"}


def parts_of(function: str, unwraps: bool) -> tuple[Part, ...]:
    """The parts of a function; `rate` of an unwrapped number is of its sum."""
    return PARTS["sum_over_time" if function == "rate" and unwraps else function]


def alone(function: str, parameter: float, bind: Binder) -> Part | None:
    """The value of a window as one aggregate over its rows, where the engine has the same: numbers
    of which SQL is sure are never NaN nor infinite (typed.py)."""
    if function == "quantile_over_time" and 0 <= parameter <= 1:
        name = "quantileExactWeightedInterpolated"
        return Part(name, "v, toUInt64(w)", "alone", bind.number(parameter))
    name = _DEVIATIONS.get(function, "")
    return Part(name, "v", "alone") if name else None


def weighs(part: Part) -> bool:
    """Whether the aggregate takes rows for as many as they stand for."""
    return "w" in part.argument
