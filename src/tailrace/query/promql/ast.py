"""The tree of a PromQL query.

Times are nanoseconds, in whole milliseconds. `position` (0-based character in the source) never
takes part in equality, so that `parse(text(tree)) == tree`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from tailrace.query.logql.ast import Matcher
from tailrace.query.matrix.grouping import EQUAL_LABELS, Grouping, Matching
from tailrace.query.weeks import FUNCTIONS, WEEKS

NAME = "__name__"
# What an expression gives: a number or a series per step, samples of a window, or a text.
Kind: TypeAlias = Literal["scalar", "vector", "matrix", "string"]
# `@`: a time, or an end of the query's range.
At: TypeAlias = int | Literal["start", "end"] | None


@dataclass(frozen=True)
class Number:
    value: float
    position: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Text:
    value: str
    position: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Selector:
    """`{matchers} offset offset_ns @ at`: of each series its last sample. `quoted`: a name is in
    quotes, so that the answer spells all names as they are stored."""

    matchers: tuple[Matcher, ...]
    offset_ns: int = 0
    at: At = None
    quoted: bool = False
    position: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Window:
    """`selector[range]`: of each series its samples in `(t - range, t]`."""

    selector: Selector
    range_ns: int
    position: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Subquery:
    """`inner[range:step] offset offset_ns @ at`: the values of `inner` at the multiples of the
    step within the window; `step_ns` 0 is the default step."""

    inner: Expression
    range_ns: int
    step_ns: int = 0
    offset_ns: int = 0
    at: At = None
    position: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Call:
    """`function(arguments)`; functions.py says which there are."""

    function: str
    arguments: tuple[Expression, ...]
    position: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Aggregation:
    """`function by or without labels (parameter, inner)`."""

    function: str
    inner: Expression
    grouping: Grouping = Grouping(False, ())  # noqa: RUF009  # frozen as this is
    parameter: Expression | None = None
    position: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Binary:
    """`left op right`."""

    op: str
    left: Expression
    right: Expression
    matching: Matching = EQUAL_LABELS
    returns_bool: bool = False
    position: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Negative:
    """`-inner`."""

    inner: Expression
    position: int = field(default=0, compare=False)


Expression: TypeAlias = (
    Number | Text | Selector | Window | Subquery | Call | Aggregation | Binary | Negative
)


def children(tree: Expression) -> tuple[Expression, ...]:
    """The expressions right under one."""
    match tree:
        case Window():
            return (tree.selector,)
        case Subquery() | Negative():
            return (tree.inner,)
        case Call():
            return tree.arguments
        case Aggregation():
            return (tree.inner,) if tree.parameter is None else (tree.parameter, tree.inner)
        case Binary():
            return (tree.left, tree.right)
        case _:
            return ()


def is_weekly(tree: Expression) -> bool:
    """Whether it is a weekly function itself."""
    return isinstance(tree, Call) and tree.function in FUNCTIONS


def weeks_of(tree: Call) -> int:
    """How many weeks a weekly function looks at."""
    said = [one.value for one in tree.arguments if isinstance(one, Number)]
    return int(said[0]) if said else WEEKS


def walk(tree: Expression) -> Iterator[Expression]:
    """An expression and all below it."""
    yield tree
    for child in children(tree):
        yield from walk(child)


def selectors(tree: Expression) -> list[Selector]:
    """Every selector in the tree."""
    return [one for one in walk(tree) if isinstance(one, Selector)]
