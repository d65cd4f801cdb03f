"""The functions of PromQL and what they take: names as Prometheus documents them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tailrace.query.promql.ast import Kind
from tailrace.query.weeks import FUNCTIONS as WEEKLY


@dataclass(frozen=True)
class Signature:
    """Kinds of the arguments, of which the last `optional` may be left out; `more`: the last may
    be repeated."""

    arguments: tuple[Kind, ...]
    returns: Kind = "vector"
    optional: int = 0
    more: bool = False


# A function of a window alone.
_WINDOW = Signature(("matrix",))
_VECTOR = Signature(("vector",))
_DATE = Signature(("vector",), optional=1)
_SCALAR = Signature((), "scalar")

OVER_TIME = (
    "absent_over_time", "avg_over_time", "changes", "count_over_time", "delta", "deriv",
    "first_over_time", "idelta", "increase", "irate", "last_over_time", "mad_over_time",
    "max_over_time", "min_over_time", "present_over_time", "rate", "resets", "stddev_over_time",
    "stdvar_over_time", "sum_over_time", "ts_of_first_over_time", "ts_of_last_over_time",
    "ts_of_max_over_time", "ts_of_min_over_time",
)  # fmt: skip
MATHS = (
    "abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "cos", "cosh", "deg", "exp",
    "floor", "ln", "log10", "log2", "rad", "sgn", "sin", "sinh", "sqrt", "tan", "tanh",
)  # fmt: skip
DATES = (
    "day_of_month", "day_of_week", "day_of_year", "days_in_month", "hour", "minute", "month",
    "year",
)  # fmt: skip
# Of native histograms, which are stored as classic ones: they find nothing in a float.
OF_HISTOGRAMS = (
    "histogram_avg", "histogram_count", "histogram_stddev", "histogram_stdvar", "histogram_sum",
)  # fmt: skip
AGGREGATIONS: Mapping[str, Kind | None] = {
    "sum": None, "avg": None, "min": None, "max": None, "count": None, "group": None,
    "stddev": None, "stdvar": None, "topk": "scalar", "bottomk": "scalar", "limitk": "scalar",
    "quantile": "scalar", "count_values": "string", "limit_ratio": "scalar",
}  # fmt: skip

FUNCTIONS: Mapping[str, Signature] = {
    **dict.fromkeys(OVER_TIME, _WINDOW),
    **dict.fromkeys(MATHS, _VECTOR),
    **dict.fromkeys(DATES, _DATE),
    **dict.fromkeys(OF_HISTOGRAMS, _VECTOR),
    "absent": _VECTOR,
    "clamp": Signature(("vector", "scalar", "scalar")),
    "clamp_max": Signature(("vector", "scalar")),
    "clamp_min": Signature(("vector", "scalar")),
    "double_exponential_smoothing": Signature(("matrix", "scalar", "scalar")),
    "end": _SCALAR,
    "histogram_fraction": Signature(("scalar", "scalar", "vector")),
    "histogram_quantile": Signature(("scalar", "vector")),
    "label_join": Signature(("vector", "string", "string", "string"), optional=1, more=True),
    "label_replace": Signature(("vector", "string", "string", "string", "string")),
    "pi": _SCALAR,
    "predict_linear": Signature(("matrix", "scalar")),
    "quantile_over_time": Signature(("scalar", "matrix")),
    "range": _SCALAR,
    "round": Signature(("vector", "scalar"), optional=1),
    "scalar": Signature(("vector",), "scalar"),
    "sort": _VECTOR,
    "sort_by_label": Signature(("vector", "string"), optional=1, more=True),
    "sort_by_label_desc": Signature(("vector", "string"), optional=1, more=True),
    "sort_desc": _VECTOR,
    "start": _SCALAR,
    "step": _SCALAR,
    "time": _SCALAR,
    "timestamp": _VECTOR,
    "vector": Signature(("scalar",)),
    **dict.fromkeys(WEEKLY, Signature(("vector", "scalar"), optional=1)),
}
# Functions whose value depends on the range that is asked for, not on the step alone.
OF_THE_RANGE = frozenset({"start", "end", "range", "step"})
# Calls and aggregations whose series have an order at one time.
SORTS = frozenset({"sort", "sort_desc", "sort_by_label", "sort_by_label_desc", "topk", "bottomk"})
