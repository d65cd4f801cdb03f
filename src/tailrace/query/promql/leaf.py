"""Leaves of a query: what of it is read from the store. All else is computed from them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

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
)
from tailrace.query.promql.grids import FOLDS, GRIDS
from tailrace.query.promql.windows import FUNCTIONS
from tailrace.query.weekly import BASELINE

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


def leaves(tree: Expression, lookback_ns: int, stored: bool) -> Iterator[Leaf]:
    """The leaves of a query that are read at its own steps: not those of subqueries, nor what is
    only read in the weeks before."""
    if (leaf := leaf_of(tree, lookback_ns, stored)) is not None:
        yield leaf
    elif not isinstance(tree, Subquery | Window) and not _is_baseline(tree):
        for child in children(tree):
            yield from leaves(child, lookback_ns, stored)


def _is_baseline(tree: Expression) -> bool:
    return isinstance(tree, Call) and tree.function == BASELINE
