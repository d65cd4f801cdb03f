"""Leaves of a metric query: what of it is read from rows. All else is computed from them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import NamedTuple, TypeAlias

from tailrace.query.logql.ast import (
    Binary,
    LabelReplace,
    Metric,
    RangeAggregation,
    VectorAggregation,
    Weekly,
)
from tailrace.query.matrix.matrix import Matrix
from tailrace.query.plan import Grid
from tailrace.query.weeks import ZSCORE

# Of an outer aggregation, the inner ones of which the groups may be folded at once.
_SUMS = frozenset({"count_over_time", "rate", "bytes_over_time", "bytes_rate", "sum_over_time"})
_AT_ONCE = {
    "sum": _SUMS, "min": frozenset({"min_over_time"}), "max": frozenset({"max_over_time"})
}  # fmt: skip


class Leaf(NamedTuple):
    """A range aggregation, grouped by the labels of the aggregation around it where that gives the
    same: sums of sums are sums.

    `named`: labels that what is around it names. Where it has no labels to group by, its series are
    told apart by structured metadata only if that is named.
    """

    aggregation: RangeAggregation
    named: frozenset[str] = frozenset()


class Use(NamedTuple):
    """A leaf that is read at the steps of its query, or `earlier`: at those of weeks before."""

    leaf: Leaf
    earlier: bool = False


Read: TypeAlias = Callable[[Leaf, Grid], Awaitable[Matrix]]


def leaf_of(query: Metric, named: frozenset[str] = frozenset()) -> Leaf | None:
    """The query as a leaf, if it is one."""
    match query:
        case RangeAggregation():
            by = query.grouping is not None and not query.grouping.without
            return Leaf(query, frozenset() if by else named)
        case VectorAggregation(inner=RangeAggregation() as inner) if _at_once(query, inner):
            return Leaf(replace(inner, grouping=query.grouping))
        case _:
            return None


def leaves(query: Metric, named: frozenset[str] = frozenset()) -> Iterator[Use]:
    """All leaves of a query, and when they are read."""
    if (leaf := leaf_of(query, named)) is not None:
        yield Use(leaf)
        return
    named = named_inside(query, named)
    match query:
        case VectorAggregation() | LabelReplace():
            yield from leaves(query.inner, named)
        case Weekly():
            for leaf, _ in leaves(query.inner, named):
                yield Use(leaf, earlier=True)
                if query.function == ZSCORE:
                    yield Use(leaf)
        case Binary():
            yield from leaves(query.left, named)
            yield from leaves(query.right, named)


def named_inside(query: Metric, named: frozenset[str]) -> frozenset[str]:
    """What is named around the parts of a query around which `named` are."""
    match query:
        case VectorAggregation() if not query.grouping.without:
            return named | frozenset(query.grouping.labels)
        case LabelReplace():
            return named | {query.source}
        case Binary():
            return named | frozenset(joining(query))
        case _:
            return named


def joining(query: Binary) -> tuple[str, ...]:
    """The labels by which two sides are joined, or that one takes from the other."""
    on = query.matching.labels if query.matching.on else ()
    return (*on, *query.matching.include)


def _at_once(outer: VectorAggregation, inner: RangeAggregation) -> bool:
    """Whether rows may be folded by the outer labels, without the inner series between."""
    if outer.grouping.without or inner.grouping is not None:
        return False
    return inner.function in _AT_ONCE.get(outer.function, ())
