"""A metric query on a grid of times."""

from __future__ import annotations

from collections.abc import Iterator

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
    Weekly,
)
from tailrace.query.logs.leaf import Read, joining, leaf_of, named_inside
from tailrace.query.matrix.aggregate import aggregate
from tailrace.query.matrix.binary import combine
from tailrace.query.matrix.confidence import is_estimate
from tailrace.query.matrix.matrix import Matrix, Scalar, Value, constant
from tailrace.query.matrix.relabel import label_replace
from tailrace.query.plan import Grid
from tailrace.query.weekly import weekly
from tailrace.query.weeks import spans

_COUNTED = "count of series of sampled rows: those of the rows which were kept"


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
        case VectorAggregation() | LabelReplace() | Weekly():
            return range_aggregations(query.inner)
        case Binary():
            return range_aggregations(query.left) + range_aggregations(query.right)
        case _:
            return []


def read_at(
    query: Query, start_ns: int, end_ns: int
) -> Iterator[tuple[RangeAggregation, int, int]]:
    """Every range aggregation, with the first and the last of the steps at which it is read for
    steps of the query from `start_ns` to `end_ns`; once for each week before."""
    match query:
        case RangeAggregation():
            yield query, start_ns, end_ns
        case VectorAggregation() | LabelReplace():
            yield from read_at(query.inner, start_ns, end_ns)
        case Weekly():
            for span in spans(query.function, query.weeks, start_ns, end_ns):
                yield from read_at(query.inner, *span)
        case Binary():
            yield from read_at(query.left, start_ns, end_ns)
            yield from read_at(query.right, start_ns, end_ns)


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
        case Weekly():
            return names_of(query.inner)
        case Binary():
            return [*joining(query), *names_of(query.left), *names_of(query.right)]
        case _:
            return []


def weeklies(query: Query) -> list[Weekly]:
    """Every weekly function in the tree; none is in another."""
    match query:
        case Weekly():
            return [query]
        case VectorAggregation() | LabelReplace():
            return weeklies(query.inner)
        case Binary():
            return weeklies(query.left) + weeklies(query.right)
        case _:
            return []


async def evaluate(
    query: Metric, grid: Grid, read: Read, named: frozenset[str] = frozenset()
) -> Value:
    """The value of `query`: a scalar, or series with a sample or none at each step of `grid`.

    `read` is asked for its leaves, at these steps or at those of weeks before; `named`: see `Leaf`.
    Raises QueryError, and what `read` raises.
    """
    if (leaf := leaf_of(query, named)) is not None:
        return await read(leaf, grid)
    named = named_inside(query, named)
    match query:
        case Number():
            return constant(query.value, grid.steps)
        case Vector():
            shape = (1, grid.steps)
            values, there = np.full(shape, query.value), np.ones(shape, np.bool_)
            return Matrix([()], values, there, np.zeros(shape))
        case VectorAggregation():
            return _grouped(query, await evaluate(query.inner, grid, read, named))
        case LabelReplace():
            inner = _vector(await evaluate(query.inner, grid, read, named), "label_replace")
            parts = (query.destination, query.replacement, query.source, query.pattern)
            return label_replace(inner, *parts)
        case Weekly():
            return await _of_weeks(query, grid, read, named)
        case Binary():
            left = await evaluate(query.left, grid, read, named)
            right = await evaluate(query.right, grid, read, named)
            return combine(query.op, left, right, query.matching, query.returns_bool)
        case _:
            raise AssertionError("a leaf is read")


async def _of_weeks(query: Weekly, grid: Grid, read: Read, named: frozenset[str]) -> Matrix:
    async def inner(on: Grid) -> Matrix:
        return _vector(await evaluate(query.inner, on, read, named), query.function)

    return await weekly(query.function, query.weeks, grid, inner)


def _grouped(query: VectorAggregation, inner: Value) -> Matrix:
    value = _vector(inner, query.function)
    if query.function == "count" and is_estimate(value):
        remark(_COUNTED)
    return aggregate(query.function, query.grouping, value, query.parameter)


def _vector(value: Value, function: str) -> Matrix:
    if isinstance(value, Scalar):
        raise QueryError(f"{function} needs a vector, not a number")
    return value
