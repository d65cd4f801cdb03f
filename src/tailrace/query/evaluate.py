"""A metric query on a grid of times: one statement per range aggregation, the rest in memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from tailrace.core.errors import QueryError
from tailrace.core.limits import QUERY_CELLS, QUERY_STEPS
from tailrace.query.labels import LEVEL_NAMES, Labels, is_built_in, level, stream
from tailrace.query.logql.ast import (
    Binary,
    LogQuery,
    Metric,
    Number,
    Query,
    RangeAggregation,
    Vector,
    VectorAggregation,
)
from tailrace.query.plan import Grid, Scope, Statement, Window, cells
from tailrace.query.vectors import Scalar, Series, Value, aggregate, check_series, combine, slide

Rows = list[tuple[Any, ...]]
Run = Callable[[Statement], Awaitable[Rows]]


def grid(start_ns: int, end_ns: int, step_ns: int) -> Grid:
    """The evaluation times. Raises QueryError when there are more than QUERY_STEPS."""
    steps = (end_ns - start_ns) // step_ns + 1
    if steps > QUERY_STEPS:
        raise QueryError(
            f"the range holds {steps} steps, more than {QUERY_STEPS} (QUERY_STEPS); "
            "use a longer step"
        )
    return Grid(start_ns, step_ns, max(steps, 0))


def log_queries(query: Query) -> list[LogQuery]:
    """Every log query in the tree."""
    match query:
        case LogQuery():
            return [query]
        case RangeAggregation():
            return [query.query]
        case VectorAggregation():
            return log_queries(query.inner)
        case Binary():
            return log_queries(query.left) + log_queries(query.right)
        case _:
            return []


def range_aggregations(query: Query) -> list[RangeAggregation]:
    """Every range aggregation in the tree."""
    match query:
        case RangeAggregation():
            return [query]
        case VectorAggregation():
            return range_aggregations(query.inner)
        case Binary():
            return range_aggregations(query.left) + range_aggregations(query.right)
        case _:
            return []


def needs_catalogue(query: Query) -> bool:
    """Whether any label in the query is a resource attribute."""
    names = [m.name for log in log_queries(query) for m in log.matchers]
    while isinstance(query, VectorAggregation | Binary):
        if isinstance(query, Binary):
            return any(not is_built_in(n) for n in names) or any(
                needs_catalogue(side) for side in (query.left, query.right)
            )
        names += query.grouping.labels
        query = query.inner
    return any(not is_built_in(name) for name in names)


async def evaluate(query: Metric, on: Grid, scope: Scope, run: Run) -> Value:
    """The value of `query`: a scalar, or series with one value or None per step."""
    match query:
        case Number():
            return Scalar(query.value)
        case Vector():
            return {(): [query.value] * on.steps}
        case RangeAggregation():
            return await _range(query, on, scope, run, None)
        case VectorAggregation():
            return await _group(query, on, scope, run)
        case Binary():
            left = await evaluate(query.left, on, scope, run)
            return combine(query.op, left, await evaluate(query.right, on, scope, run))
        case _:
            raise QueryError(f"{type(query).__name__} is not supported yet")


async def _group(query: VectorAggregation, on: Grid, scope: Scope, run: Run) -> Series:
    inner = query.inner
    pushed = query.function == "sum" and not query.grouping.without
    if pushed and isinstance(inner, RangeAggregation):
        return await _range(inner, on, scope, run, query.grouping.labels)
    value = await evaluate(inner, on, scope, run)
    if isinstance(value, Scalar):
        raise QueryError(f"{query.function} needs a vector, not a number")
    return aggregate(query.function, query.grouping, value)


async def _range(
    query: RangeAggregation, on: Grid, scope: Scope, run: Run, labels: tuple[str, ...] | None
) -> Series:
    if not on.steps:
        return {}
    rows = await run(cells(query, scope, on, labels))
    if len(rows) > QUERY_CELLS:
        raise QueryError(
            f"the query needs more than {QUERY_CELLS} cells of series and steps (QUERY_CELLS); "
            "use a longer step or fewer series"
        )
    window = Window.of(query, on)
    found = {key: slide(sums, window, on.steps) for key, sums in _by_series(rows, labels).items()}
    found = {key: values for key, values in found.items() if any(v is not None for v in values)}
    if query.function in ("rate", "bytes_rate"):
        per_second = Scalar(query.range_ns / 1e9)
        return combine("/", found, per_second)  # type: ignore[return-value]  # series in, series out
    return found


def _by_series(
    rows: Rows, labels: tuple[str, ...] | None
) -> dict[Labels, list[tuple[int, int, int]]]:
    """Cells by label set; several key tuples may be one label set (levels, map order)."""
    names: dict[Any, Labels] = {}
    found: dict[Labels, list[tuple[int, int, int]]] = {}
    for row in rows:
        key = row[:-3]
        known = _hashable(key) if labels is None else key
        if known not in names:
            names[known] = _stream_labels(key) if labels is None else _labels(labels, key)
            found.setdefault(names[known], [])
            check_series(len(found))
        found[names[known]].append(row[-3:])
    return found


def _hashable(key: tuple[Any, ...]) -> tuple[Any, ...]:
    return (*key[:3], tuple(key[3].items()))


def _stream_labels(key: tuple[Any, ...]) -> Labels:
    return tuple(sorted(stream(*key).items()))


def _labels(names: Iterable[str], values: tuple[Any, ...]) -> Labels:
    pairs = []
    for name, value in zip(names, values, strict=True):
        shown = level(value) if name in LEVEL_NAMES else value
        if shown:
            pairs.append((name, shown))
    return tuple(sorted(pairs))
