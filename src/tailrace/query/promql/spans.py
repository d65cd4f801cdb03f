"""From when to when a query reads samples."""

from __future__ import annotations

from collections.abc import Iterator

from tailrace.query import weeks
from tailrace.query.promql.ast import (
    At,
    Call,
    Expression,
    Selector,
    Subquery,
    Window,
    children,
    is_weekly,
    weeks_of,
)


def spans(
    tree: Expression, start_ns: int, end_ns: int, lookback_ns: int
) -> Iterator[tuple[int, int]]:
    """For each selector the times of the samples that it may need for steps from `start_ns` to
    `end_ns`."""
    return _spans(tree, start_ns, end_ns, lookback_ns, (start_ns, end_ns))


def _spans(
    tree: Expression, start_ns: int, end_ns: int, back_ns: int, ends: tuple[int, int]
) -> Iterator[tuple[int, int]]:
    match tree:
        case Selector():
            start, end = _moved(tree.at, tree.offset_ns, start_ns, end_ns, ends)
            yield start - back_ns, end
        case Window():
            yield from _spans(tree.selector, start_ns, end_ns, tree.range_ns, ends)
        case Subquery():
            start, end = _moved(tree.at, tree.offset_ns, start_ns, end_ns, ends)
            yield from _spans(tree.inner, start - tree.range_ns, end, back_ns, ends)
        case Call() if is_weekly(tree):
            for start, end in weeks.spans(tree.function, weeks_of(tree), start_ns, end_ns):
                yield from _spans(tree.arguments[0], start, end, back_ns, ends)
        case _:
            for child in children(tree):
                yield from _spans(child, start_ns, end_ns, back_ns, ends)


def _moved(
    at: At, offset_ns: int, start_ns: int, end_ns: int, ends: tuple[int, int]
) -> tuple[int, int]:
    if at == "start":
        start_ns = end_ns = ends[0]
    elif at == "end":
        start_ns = end_ns = ends[1]
    elif isinstance(at, int):
        start_ns = end_ns = at
    return start_ns - offset_ns, end_ns - offset_ns
