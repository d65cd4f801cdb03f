"""Leaves of a query: what of it is read from the store. All else is computed from them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

from tailrace.query.matrix.grouping import Grouping
from tailrace.query.matrix.matrix import Matrix
from tailrace.query.plan import Grid
from tailrace.query.promql.ast import (
    NAME,
    Aggregation,
    Call,
    Expression,
    Selector,
    Subquery,
    Window,
    children,
    is_weekly,
)
from tailrace.query.promql.grids import FOLDS, GRIDS
from tailrace.query.promql.windows import FUNCTIONS
from tailrace.query.weeks import ZSCORE

# Functions that give a sample as it is, so the name stays; "" is the last sample.
NAMED = frozenset({"", "first_over_time", "last_over_time"})
# 1 where any series of a window has a sample.
_ANY = Grouping(False, ())


@dataclass(frozen=True)
class Fold:
    """An aggregation of all series of a leaf: one of `grids.FOLDS`."""

    function: str
    grouping: Grouping


@dataclass(frozen=True)
class Leaf:
    """A function of the samples of a selector in the window `(t - range, t]`, of each series or
    folded. `function`: of `grids.GRIDS` or `windows.FUNCTIONS`; `stored`: names are spelled as they
    are stored."""

    function: str
    selector: Selector
    range_ns: int
    fold: Fold | None = None
    stored: bool = False

    @property
    def named(self) -> bool:
        """Whether its series keep their names."""
        return self.function in NAMED


class Use(NamedTuple):
    """A leaf that is read at the steps of its query, or `earlier`: at those of weeks before."""

    leaf: Leaf
    earlier: bool = False


# What somebody else has read of a leaf at each step of a grid; None where it is to be read here.
Elsewhere: TypeAlias = Callable[[Leaf, Grid], Awaitable[Matrix | None]]


def leaf_of(tree: Expression, lookback_ns: int, stored: bool) -> Leaf | None:
    """The expression as a leaf, if it is one. Of `absent_over_time` it is where any series is
    there. `lookback_ns`: how old a last sample may be."""
    match tree:
        case Selector():
            return Leaf("", tree, lookback_ns, None, stored)
        case Call("timestamp", (Selector() as of,)):
            return Leaf("timestamp", of, lookback_ns, None, stored)
        case Call("absent_over_time", (Window() as over,)):
            there = Fold("group", _ANY)
            return Leaf("present_over_time", over.selector, over.range_ns, there, stored)
        case Call(function, (Window() as over,)) if function in GRIDS or function in FUNCTIONS:
            return Leaf(function, over.selector, over.range_ns, None, stored)
        case Aggregation(function, inner, parameter=None) if function in FOLDS:
            return _folded(tree, leaf_of(inner, lookback_ns, stored))
        case _:
            return None


def _folded(tree: Aggregation, inner: Leaf | None) -> Leaf | None:
    """Where the engine can aggregate what it reads."""
    if inner is None or inner.fold or inner.function not in GRIDS or inner.function == "timestamp":
        return None
    grouping = tree.grouping
    if not inner.named:
        labels = tuple(one for one in grouping.labels if one != NAME)
        grouping = replace(grouping, labels=labels)
    return replace(inner, fold=Fold(tree.function, grouping))


def leaves(tree: Expression, lookback_ns: int, stored: bool) -> Iterator[Use]:
    """The leaves of a query that are read at its own steps, or at those of weeks before: not those
    of subqueries."""
    if (leaf := leaf_of(tree, lookback_ns, stored)) is not None:
        yield Use(leaf)
    elif isinstance(tree, Call) and is_weekly(tree):
        for leaf, _ in leaves(tree.arguments[0], lookback_ns, stored):
            yield Use(leaf, earlier=True)
            if tree.function == ZSCORE:
                yield Use(leaf)
    elif not isinstance(tree, Subquery | Window):
        for child in children(tree):
            yield from leaves(child, lookback_ns, stored)
