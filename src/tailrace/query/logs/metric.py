"""A metric query on a grid of times."""

from __future__ import annotations

import numpy as np

from tailrace.core.errors import QueryError
from tailrace.query.bounds.question import remark
from tailrace.query.logql.ast import (
    Binary,
    LabelReplace,
    LogQuery,
    Metric,
    Number,
    Query,
    RangeAggregation,
    Vector,
    VectorAggregation,
)
from tailrace.query.logs import ranges
from tailrace.query.logs.reading import Reading
from tailrace.query.matrix.aggregate import aggregate
from tailrace.query.matrix.binary import combine
from tailrace.query.matrix.confidence import is_estimate
from tailrace.query.matrix.matrix import Matrix, Scalar, Value, constant
from tailrace.query.matrix.relabel import label_replace
from tailrace.query.plan import Grid

_COUNTED = "count of series of sampled rows: those of the rows which were kept"
# Of an outer aggregation, the inner ones of which the groups may be folded at once.
_SUMS = frozenset({"count_over_time", "rate", "bytes_over_time", "bytes_rate", "sum_over_time"})
_AT_ONCE = {
    "sum": _SUMS, "min": frozenset({"min_over_time"}), "max": frozenset({"max_over_time"})
}  # fmt: skip


def log_queries(query: Query) -> list[LogQuery]:
    """Every log query in the tree."""
    if isinstance(query, LogQuery):
        return [query]
    return [one.query for one in range_aggregations(query)]


def range_aggregations(query: Query) -> list[RangeAggregation]:
    """Every range aggregation in the tree."""
    match query:
        case RangeAggregation():
            return [query]
        case VectorAggregation() | LabelReplace():
            return range_aggregations(query.inner)
        case Binary():
            return range_aggregations(query.left) + range_aggregations(query.right)
        case _:
            return []


def names_of(query: Query) -> list[str]:
    """The labels by which the query groups, joins or unwraps."""
    match query:
        case RangeAggregation():
            names = query.grouping.labels if query.grouping else ()
            return [*names, *([query.unwrap.label] if query.unwrap else [])]
        case VectorAggregation():
            return [*query.grouping.labels, *names_of(query.inner)]
        case LabelReplace():
            return [query.source, *names_of(query.inner)]
        case Binary():
            return [*_joining(query), *names_of(query.left), *names_of(query.right)]
        case _:
            return []


def _joining(query: Binary) -> tuple[str, ...]:
    """The labels by which two sides are joined, or that one takes from the other."""
    on = query.matching.labels if query.matching.on else ()
    return (*on, *query.matching.include)


async def evaluate(
    query: Metric, grid: Grid, reading: Reading, named: frozenset[str] = frozenset()
) -> Value:
    """The value of `query`: a scalar, or series with a sample or none at each step.

    `named`: labels that what is around the query names. Series of rows are told apart by structured
    metadata only where it is named. Raises QueryError, and what the engine raises.
    """
    match query:
        case Number():
            return constant(query.value, grid.steps)
        case Vector():
            shape = (1, grid.steps)
            values, there = np.full(shape, query.value), np.ones(shape, np.bool_)
            return Matrix([()], values, there, np.zeros(shape))
        case RangeAggregation():
            return await ranges.aggregate(query, grid, None, reading, named)
        case VectorAggregation():
            return await _group(query, grid, reading, named)
        case LabelReplace():
            value = await evaluate(query.inner, grid, reading, named | {query.source})
            inner = _vector(value, "label_replace")
            parts = (query.destination, query.replacement, query.source, query.pattern)
            return label_replace(inner, *parts)
        case Binary():
            named |= frozenset(_joining(query))
            left = await evaluate(query.left, grid, reading, named)
            right = await evaluate(query.right, grid, reading, named)
            return combine(query.op, left, right, query.matching, query.returns_bool)


async def _group(
    query: VectorAggregation, grid: Grid, reading: Reading, named: frozenset[str]
) -> Value:
    inner = query.inner
    if isinstance(inner, RangeAggregation) and _at_once(query, inner):
        return await ranges.aggregate(inner, grid, query.grouping, reading)
    if not query.grouping.without:
        named |= frozenset(query.grouping.labels)
    value = _vector(await evaluate(inner, grid, reading, named), query.function)
    if query.function == "count" and is_estimate(value):
        remark(_COUNTED)
    return aggregate(query.function, query.grouping, value, query.parameter)


def _at_once(outer: VectorAggregation, inner: RangeAggregation) -> bool:
    """Whether rows may be folded by the outer labels, without the inner series between."""
    if outer.grouping.without or inner.grouping is not None:
        return False
    return inner.function in _AT_ONCE.get(outer.function, ())


def _vector(value: Value, function: str) -> Matrix:
    if isinstance(value, Scalar):
        raise QueryError(f"{function} needs a vector, not a number")
    return value
