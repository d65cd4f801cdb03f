"""LogQL over a list of rows, read plainly: at one time, row by row, without SQL and arrays.

What the stages of a pipeline do with a row is asked of the pipeline itself, which has tests of its
own. All that comes after is done here from the published semantics: windows `(t - range, t]`, range
aggregations, grouping, and, from tests/query/matrix/reference.py, aggregations and operators.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import re2
from tests.query.matrix import reference
from tests.query.matrix.reference import Labels, Refused

from tailrace.query.labels import metadata, stream
from tailrace.query.logql.ast import (
    Binary,
    LabelReplace,
    LogQuery,
    Matcher,
    Metric,
    Number,
    RangeAggregation,
    Vector,
    VectorAggregation,
)
from tailrace.query.pipeline import units
from tailrace.query.pipeline.labelfilter import label_test
from tailrace.query.pipeline.pipeline import Pipeline, Row

Rows = Sequence[dict[str, Any]]
Names = frozenset[str]
UNITS = {
    "": units.number, "bytes": units.size_bytes, "duration": units.duration_seconds,
    "duration_seconds": units.duration_seconds,
}  # fmt: skip
SECOND = 1_000_000_000


@dataclass(frozen=True)
class Line:
    """A line that passed."""

    time_ns: int
    line: str
    stream: dict[str, str]
    metadata: dict[str, str]
    parsed: dict[str, str]


@dataclass(frozen=True)
class Sample:
    """What a row counts in a window."""

    time_ns: int
    weight: int
    value: float
    size: int


def lines(query: LogQuery, rows: Rows, start_ns: int, end_ns: int) -> list[Line]:
    """The lines in `[start_ns, end_ns)` that pass, oldest first."""
    found = []
    for row in sorted(rows, key=lambda one: one["ns"]):
        if start_ns <= row["ns"] < end_ns and (passed := through(query, row)) is not None:
            own = passed.labels
            found.append(
                Line(row["ns"], passed.line, own.stream(), own.metadata(), own.parsed())
            )  # fmt: skip
    return found


def through(query: LogQuery, row: dict[str, Any]) -> Row | None:
    """A row after the selector and all stages."""
    labels = stream(row["service"], row["host"], row["severity"], row["resource"])
    if not all(selected(one, labels.get(one.name, "")) for one in query.matchers):
        return None
    own = metadata(row["severity"], row["trace"], row["span"], row["attributes"])
    return Pipeline(query.stages).process(row["ns"], row["body"], labels, own)


def selected(matcher: Matcher, value: str) -> bool:
    if matcher.op in ("=", "!="):
        return (value == matcher.value) == (matcher.op == "=")
    matches = re2.fullmatch(f"(?s:{matcher.value})", value) is not None
    return matches == (matcher.op == "=~")


def evaluate(query: Metric, rows: Rows, time_ns: int, names: Names = frozenset()) -> Any:
    """A number, or a vector {labels: value}. `names`: labels that whatever is around the query
    names, by which structured metadata then tells series apart. Raises Refused."""
    match query:
        case Number():
            return query.value
        case Vector():
            return {(): query.value}
        case RangeAggregation(function="absent_over_time"):
            return absent(query, rows, time_ns)
        case RangeAggregation():
            return ranged(query, rows, time_ns, names)
        case VectorAggregation():
            by = () if query.grouping.without else query.grouping.labels
            return aggregated(query, evaluate(query.inner, rows, time_ns, names.union(by)))
        case LabelReplace():
            inner = evaluate(query.inner, rows, time_ns, names | {query.source})
            return replaced(query, inner)
        case Binary():
            on = query.matching.labels if query.matching.on else ()
            more = names.union(on, query.matching.include)
            sides = (evaluate(one, rows, time_ns, more) for one in (query.left, query.right))
            return joined(query, *sides)


def ranged(query: RangeAggregation, rows: Rows, time_ns: int, names: Names) -> Any:
    """The function of the samples of each series in the window that ends at `time_ns`."""
    end = time_ns - query.offset_ns
    window: dict[Labels, list[Sample]] = {}
    for row in sorted(rows, key=lambda one: one["ns"]):
        if end - query.range_ns < row["ns"] <= end:
            found = sampled(query, row, names)
            if found is not None:
                window.setdefault(found[0], []).append(found[1])
    values = {
        labels: folded(query, samples, end - query.range_ns) for labels, samples in window.items()
    }
    return {labels: value for labels, value in values.items() if value is not None}


def sampled(
    query: RangeAggregation, row: dict[str, Any], names: Names
) -> tuple[Labels, Sample] | None:
    """The series of a row and what it counts there. A row with an error has no right answer."""
    passed = through(query.query, row)
    if passed is None:
        return None
    labels, value = passed.labels, 1.0
    if query.unwrap is not None:
        text = labels.find(query.unwrap.label)
        if text is None:
            return None
        number = UNITS[query.unwrap.conversion](text)
        if number is None:
            labels.fail("SampleExtractionErr", text)
        if not all(label_test(one.condition)(labels) for one in query.unwrap.filters):
            return None
        labels.remove(query.unwrap.label)
        value = number or 0.0
    if labels.find("__error__"):
        raise Refused(labels.find("__error__"))
    size = len(passed.line.encode())
    return series_of(query, passed, names), Sample(row["ns"], row["weight"], value, size)


def series_of(query: RangeAggregation, row: Row, names: Names) -> Labels:
    """Of structured metadata only what somebody names tells series apart."""
    own = row.labels
    if query.grouping is not None and not query.grouping.without:
        return labels_of({name: own.get(name) for name in query.grouping.labels})
    named = {name: value for name, value in own.metadata().items() if name in names}
    every = {**named, **own.stream(), **own.parsed()}
    removed = query.grouping.labels if query.grouping is not None else ()
    return labels_of({name: value for name, value in every.items() if name not in removed})


def labels_of(found: dict[str, str]) -> Labels:
    return tuple(sorted((k, v) for k, v in found.items() if v and not k.startswith("__error")))


def folded(query: RangeAggregation, samples: list[Sample], start_ns: int) -> float | None:
    """A sampled row stands for as many rows as it weighs."""
    seconds = query.range_ns / SECOND
    # Each row as often as it stands for.
    values = [one.value for one in samples for _ in range(one.weight)]
    kept = [one.value for one in samples]
    functions: dict[str, Callable[[], float | None]] = {
        "count_over_time": lambda: len(values),
        "rate": lambda: (sum(values) if query.unwrap else len(values)) / seconds,
        "bytes_over_time": lambda: sum(one.size * one.weight for one in samples),
        "bytes_rate": lambda: sum(one.size * one.weight for one in samples) / seconds,
        "sum_over_time": lambda: sum(values),
        "avg_over_time": lambda: sum(values) / len(values),
        "min_over_time": lambda: reference.folded("min", kept, None),
        "max_over_time": lambda: reference.folded("max", kept, None),
        "first_over_time": lambda: kept[0],
        "last_over_time": lambda: kept[-1],
        "stdvar_over_time": lambda: reference.folded("stdvar", values, None),
        "stddev_over_time": lambda: reference.folded("stddev", values, None),
        "quantile_over_time": lambda: reference.quantile(values, query.parameter or 0.0),
        "rate_counter": lambda: counter(
            kept, [(one.time_ns - start_ns) / SECOND for one in samples], seconds
        ),
    }
    return functions[query.function]()


def counter(values: list[float], times: list[float], seconds: float) -> float | None:
    """Prometheus' rate of a counter, `times` in seconds after the window's start."""
    if len(values) < 2:
        return None
    grown = 0.0
    for before, after in itertools.pairwise(values):
        grown += after if after < before else after - before
    covered = times[-1] - times[0]
    apart = covered / (len(values) - 1)
    to_start, to_end = times[0], seconds - times[-1]
    if to_start >= 1.1 * apart:
        to_start = apart / 2
    if to_end >= 1.1 * apart:
        to_end = apart / 2
    if grown > 0 and values[0] >= 0:
        # Before it was zero a counter was not there.
        to_start = min(to_start, covered * values[0] / grown)
    return grown * (covered + to_start + to_end) / covered / seconds


def absent(query: RangeAggregation, rows: Rows, time_ns: int) -> Any:
    """1 where the window is empty, with the labels that the selector is sure of."""
    if ranged(query_of_count(query), rows, time_ns, frozenset()):
        return {}
    matchers = query.query.matchers
    sure: dict[str, str] = {}
    for one in matchers:
        if one.op == "=" and [other.name for other in matchers].count(one.name) == 1:
            sure[one.name] = one.value
    return {labels_of(sure): 1.0}


def query_of_count(query: RangeAggregation) -> RangeAggregation:
    function = "count_over_time" if query.unwrap is None else "sum_over_time"
    return RangeAggregation(function, query.query, query.range_ns, query.offset_ns, query.unwrap)


def aggregated(query: VectorAggregation, inner: Any) -> Any:
    """Those that keep some of the series are for the caller to judge: see check_ranked."""
    vector = expect_vector(inner)
    if query.function in ("sort", "sort_desc", "topk", "bottomk", "approx_topk"):
        return vector
    return reference.aggregated(query.function, query.grouping, vector)


def expect_vector(value: Any) -> Any:
    if not isinstance(value, dict):
        raise Refused("a number where a vector must be")
    return value


def replaced(query: LabelReplace, inner: Any) -> Any:
    parts = (query.destination, query.replacement.replace("$1", r"\1"), query.source, query.pattern)
    return reference.unique(
        (reference.replaced(labels, *parts), value)
        for labels, value in expect_vector(inner).items()
    )


def joined(query: Binary, left: Any, right: Any) -> Any:
    if isinstance(left, dict) and isinstance(right, dict):
        if query.op in ("and", "or", "unless"):
            return reference.sets(query.op, left, right, query.matching)
        return reference.joined(query.op, left, right, query.matching, query.returns_bool)
    if isinstance(left, dict):
        return reference.with_number(query.op, left, right, query.returns_bool, False)
    if isinstance(right, dict):
        return reference.with_number(query.op, right, left, query.returns_bool, True)
    found = reference.operated(query.op, left, right, True)
    return math.nan if found is None else found
