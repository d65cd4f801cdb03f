"""PromQL at one time, over series that are lists of samples: slow and obvious.

From Prometheus' documentation of its functions, without arrays and without a grid: a query over a
range is this, once for each step.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.query.matrix.reference import (
    NAME,
    Labels,
    Refused,
    Vector,
    aggregated,
    but,
    joined,
    operated,
    quantile,
    sets,
    unique,
    with_label,
    with_number,
)

from tailrace.query.promql.ast import (
    Aggregation,
    Binary,
    Call,
    Expression,
    Negative,
    Number,
    Selector,
    Subquery,
    Text,
    Window,
)

STALE = object()
LOOKBACK_S = 300.0
# (seconds, value or STALE), in order of time.
Points = list[tuple[float, Any]]


@dataclass(frozen=True)
class Store:
    """Series by their labels, and the ends of the range that is asked for."""

    series: dict[Labels, Points]
    start: float
    end: float

    def matching(self, selector: Selector) -> list[Labels]:
        return [labels for labels in self.series if all(map(matcher(labels), selector.matchers))]


def matcher(labels: Labels) -> Callable[[Any], bool]:
    def matches(one: Any) -> bool:
        value = dict(labels).get(one.name, "")
        if one.op in ("=", "!="):
            return (value == one.value) == (one.op == "=")
        return (re.fullmatch(one.value, value, re.S) is not None) == (one.op == "=~")

    return matches


def value(tree: Expression, store: Store, at: float) -> float | Vector:
    """Raises Refused where the query has no answer."""
    match tree:
        case Number():
            return tree.value
        case Selector():
            return last(tree, store, at)
        case Negative():
            inner = value(tree.inner, store, at)
            assert isinstance(inner, dict)
            return unique((but(k, [NAME]), -v) for k, v in inner.items())
        case Aggregation():
            return aggregation(tree, store, at)
        case Binary():
            return binary(tree, store, at)
        case Call():
            return call(tree, store, at)
    raise AssertionError(tree)


def vector(tree: Expression, store: Store, at: float) -> Vector:
    found = value(tree, store, at)
    assert isinstance(found, dict)
    return found


def number(tree: Expression, store: Store, at: float) -> float:
    found = value(tree, store, at)
    assert not isinstance(found, dict)
    return found


def moved(tree: Selector | Subquery, store: Store, at: float) -> float:
    ends = {"start": store.start, "end": store.end}
    if tree.at is not None:
        at = ends[tree.at] if isinstance(tree.at, str) else tree.at / 1e9
    return at - tree.offset_ns / 1e9


def last_points(tree: Selector, store: Store, at: float) -> dict[Labels, tuple[float, float]]:
    at = moved(tree, store, at)
    found = {}
    for labels in store.matching(tree):
        inside = [point for point in store.series[labels] if at - LOOKBACK_S < point[0] <= at]
        if inside and inside[-1][1] is not STALE:
            found[labels] = inside[-1]
    return found


def last(tree: Selector, store: Store, at: float) -> Vector:
    return {labels: point[1] for labels, point in last_points(tree, store, at).items()}


def aggregation(tree: Aggregation, store: Store, at: float) -> Vector:
    inner = vector(tree.inner, store, at)
    parameter: Any = None
    if isinstance(tree.parameter, Text):
        parameter = tree.parameter.value
    elif tree.parameter is not None:
        parameter = number(tree.parameter, store, at)
    return aggregated(tree.function, tree.grouping, inner, parameter)


def binary(tree: Binary, store: Store, at: float) -> float | Vector:
    left, right = value(tree.left, store, at), value(tree.right, store, at)
    if isinstance(left, dict) and isinstance(right, dict):
        if tree.op in ("and", "or", "unless"):
            return sets(tree.op, left, right, tree.matching)
        return joined(tree.op, left, right, tree.matching, tree.returns_bool)
    if isinstance(left, dict):
        assert not isinstance(right, dict)
        return with_number(tree.op, left, right, tree.returns_bool, False)
    if isinstance(right, dict):
        return with_number(tree.op, right, left, tree.returns_bool, True)
    found = operated(tree.op, left, right, True)
    assert found is not None
    return found


# Windows


def samples(tree: Window | Subquery, store: Store, at: float) -> tuple[dict[Labels, Points], float]:
    """Of each series the samples in the window, and where the window ends."""
    found: dict[Labels, Points] = {}
    if isinstance(tree, Window):
        end = moved(tree.selector, store, at)
        for labels in store.matching(tree.selector):
            found[labels] = [
                point
                for point in store.series[labels]
                if end - tree.range_ns / 1e9 < point[0] <= end and point[1] is not STALE
            ]
        return found, end
    end, step = moved(tree, store, at), (tree.step_ns or 60 * 10**9) / 1e9
    count = math.floor((end - tree.range_ns / 1e9) / step) + 1
    while count * step <= end:
        if count * step >= 0:
            for labels, one in vector(tree.inner, store, count * step).items():
                found.setdefault(labels, []).append((count * step, one))
        count += 1
    return found, end


def over(tree: Call, window: Window | Subquery, store: Store, at: float) -> Vector:
    found, end = samples(window, store, at)
    found = {labels: points for labels, points in found.items() if points}
    name = tree.function
    if name == "absent_over_time":
        return absent(window.selector if isinstance(window, Window) else window, found)
    given = [
        number(one, store, at) for one in tree.arguments if not isinstance(one, Window | Subquery)
    ]
    pairs = []
    for labels, points in found.items():
        one = of_points(name, points, given, end, window.range_ns / 1e9)
        if name == "predict_linear" and len(points) > 1:
            one = predicted(tree, points, given[0], store, at)
        if one is not None:
            named = name in ("last_over_time", "first_over_time")
            pairs.append((labels if named else but(labels, [NAME]), one))
    return unique(pairs)


def of_points(
    name: str, points: Points, given: Sequence[float], end: float, window: float
) -> float | None:
    values = [v for _, v in points]
    numbers = [v for v in values if not math.isnan(v)]
    mean = sum(values) / len(values)
    match name:
        case "avg_over_time":
            return mean
        case "sum_over_time":
            return sum(values)
        case "count_over_time":
            return len(values)
        case "present_over_time":
            return 1
        case "min_over_time":
            return min(numbers, default=math.nan)
        case "max_over_time":
            return max(numbers, default=math.nan)
        case "first_over_time":
            return values[0]
        case "last_over_time":
            return values[-1]
        case "ts_of_first_over_time":
            return points[0][0]
        case "ts_of_last_over_time":
            return points[-1][0]
        case "ts_of_min_over_time" | "ts_of_max_over_time":
            best = (min if "min" in name else max)(numbers, default=math.nan)
            return [t for t, v in points if v == best or not numbers][-1]
        case "stdvar_over_time":
            return sum((v - mean) ** 2 for v in values) / len(values)
        case "stddev_over_time":
            return math.sqrt(sum((v - mean) ** 2 for v in values) / len(values))
        case "quantile_over_time":
            return quantile(values, given[0])
        case "mad_over_time":
            middle = quantile(values, 0.5)
            return quantile([abs(v - middle) for v in values], 0.5)
        case "changes":
            return sum(
                a != b and not (math.isnan(a) and math.isnan(b))
                for a, b in itertools.pairwise(values)
            )
        case "resets":
            return sum(b < a for a, b in itertools.pairwise(values))
    return of_two(name, points, given, end, window) if len(points) > 1 else None


def of_two(name: str, points: Points, given: Sequence[float], end: float, window: float) -> float:
    """What needs two samples."""
    (before, low), (final, high) = points[-2], points[-1]
    match name:
        case "idelta":
            return high - low
        case "irate":
            return (high if high < low else high - low) / (final - before)
        case "deriv":
            return line(points, points[0][0])[0]
        case "double_exponential_smoothing":
            return smoothed([v for _, v in points], given[0], given[1])
        case "rate":
            return extrapolated(points, end, window, True) / window
        case "increase":
            return extrapolated(points, end, window, True)
        case "delta":
            return extrapolated(points, end, window, False)
    return math.nan


def predicted(tree: Call, points: Points, ahead: float, store: Store, at: float) -> float:
    """From the time of the step; where nothing in it depends on the step, from the first one."""
    window = tree.arguments[0]
    moved = window.selector if isinstance(window, Window) else window
    assert isinstance(moved, Selector | Subquery)
    if moved.at is not None and isinstance(tree.arguments[1], Number):
        at = store.start
    slope, intercept = line(points, at)
    return intercept + slope * ahead


def line(points: Points, origin: float) -> tuple[float, float]:
    values = [v for _, v in points]
    if all(v == values[0] for v in values):
        return (math.nan, math.nan) if math.isinf(values[0]) else (0.0, values[0])
    mean_x = sum(t - origin for t, _ in points) / len(points)
    mean_y = sum(values) / len(points)
    up = sum((t - origin - mean_x) * (v - mean_y) for t, v in points)
    slope = up / sum((t - origin - mean_x) ** 2 for t, _ in points)
    return slope, mean_y - slope * mean_x


def smoothed(values: list[float], factor: float, trend_factor: float) -> float:
    levels, trend = [values[0]], values[1] - values[0]
    for index in range(1, len(values)):
        if index > 1:
            trend = trend_factor * (levels[-1] - levels[-2]) + (1 - trend_factor) * trend
        levels.append(factor * values[index] + (1 - factor) * (levels[-1] + trend))
    return levels[-1]


def extrapolated(points: Points, end: float, window: float, counter: bool) -> float:
    (first, low), (final, high) = points[0], points[-1]
    change = high - low
    if counter:
        change += sum(a for (_, a), (_, b) in itertools.pairwise(points) if b < a)
    inside, average = final - first, (final - first) / (len(points) - 1)
    to_start, to_end = first - (end - window), end - final
    if to_start >= average * 1.1:
        to_start = average / 2
    if counter and change > 0 and low >= 0:
        to_start = min(to_start, inside * (low / change))
    if to_end >= average * 1.1:
        to_end = average / 2
    return change * ((inside + to_start + to_end) / inside)


# Functions


def absent(of: Expression, found: Any) -> Vector:
    if found:
        return {}
    labels: Labels = ()
    if isinstance(of, Selector):
        for one in of.matchers:
            alone = sum(other.name == one.name for other in of.matchers) == 1
            if one.op == "=" and one.name != NAME and alone:
                labels = with_label(labels, one.name, one.value)
    return {labels: 1.0}


def call(tree: Call, store: Store, at: float) -> float | Vector:
    name, arguments = tree.function, tree.arguments
    for one in arguments:
        if isinstance(one, Window | Subquery):
            return over(tree, one, store, at)
    if name == "time":
        return at
    if name == "pi":
        return math.pi
    if name == "vector":
        return {(): number(arguments[0], store, at)}
    if name == "timestamp" and isinstance(arguments[0], Selector):
        points = last_points(arguments[0], store, at)
        return unique((but(k, [NAME]), t) for k, (t, _) in points.items())
    inner = vector(arguments[0], store, at)
    if name == "scalar":
        return next(iter(inner.values())) if len(inner) == 1 else math.nan
    if name == "absent":
        return absent(arguments[0], inner)
    if name == "sort":
        return inner
    if name == "label_replace":
        return replaced(inner, *(one.value for one in arguments[1:] if isinstance(one, Text)))
    given = [number(one, store, at) for one in arguments[1:]]
    if name == "clamp" and given[0] > given[1]:
        return {}
    return unique((but(k, [NAME]), of_number(name, v, given, at)) for k, v in inner.items())


def of_number(name: str, v: float, given: Sequence[float], at: float) -> float:
    match name:
        case "timestamp":
            return at
        case "clamp":
            return clamped(v, given[0], given[1])
        case "clamp_min":
            return clamped(v, given[0], math.inf)
        case "clamp_max":
            return clamped(v, -math.inf, given[0])
        case "round":
            to = given[0] if given else 1.0
            if math.isnan(v) or math.isnan(to) or math.isinf(to) or to == 0:
                return math.nan
            if math.isinf(v):
                return v
            return math.floor(v * (1 / to) + 0.5) / (1 / to)
        case "hour" | "day_of_week" | "days_in_month" | "month":
            return date(name, v)
    return of_maths(name, v)


def clamped(v: float, low: float, high: float) -> float:
    if any(map(math.isnan, (v, low, high))):
        return math.nan
    return max(low, min(high, v))


def of_maths(name: str, v: float) -> float:
    if math.isnan(v):
        return math.nan
    match name:
        case "abs":
            return abs(v)
        case "ceil" | "floor":
            return v if math.isinf(v) else float(getattr(math, name)(v))
        case "sgn":
            return math.copysign(1.0, v) if v else 0.0
        case "sqrt":
            return math.sqrt(v) if v >= 0 else math.nan
        case "exp":
            return math.exp(v) if v < 709 else math.inf
        case "ln":
            return math.nan if v < 0 else math.log(v) if v else -math.inf
        case "deg":
            return v * 180 / math.pi
    raise AssertionError(name)


def date(name: str, v: float) -> float:
    if math.isnan(v) or abs(v) >= 9.2e9:
        return math.nan
    moment = datetime.fromtimestamp(math.trunc(v), UTC)
    if name == "days_in_month":
        following = (moment.year + moment.month // 12, moment.month % 12 + 1)
        first = datetime(moment.year, moment.month, 1, tzinfo=UTC)
        return (datetime(*following, 1, tzinfo=UTC) - first).days
    return {"hour": moment.hour, "day_of_week": moment.isoweekday() % 7, "month": moment.month}[
        name
    ]


def replaced(inner: Vector, target: str, template: str, source: str, pattern: str) -> Vector:
    pairs = []
    for labels, one in inner.items():
        matched = re.fullmatch(pattern, dict(labels).get(source, ""), re.S)
        if matched:
            text = template.replace("$1", (matched[1] or "") if matched.re.groups else "")
            labels = with_label(labels, target, text)
        pairs.append((labels, one))
    return unique(pairs)


__all__ = ["STALE", "Points", "Refused", "Store", "value"]
