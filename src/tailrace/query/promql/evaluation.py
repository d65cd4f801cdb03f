"""The value of a PromQL expression at every step of a grid.

What the engine has a function for is its work: the last sample of each series, rates, and
aggregations right above them. The rest is done here, over arrays of all series and steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

import numpy as np

from tailrace.core import limits
from tailrace.core.errors import QueryError
from tailrace.query.absence import absent
from tailrace.query.labels import Labels
from tailrace.query.logql.ast import Matcher
from tailrace.query.matrix.aggregate import aggregate
from tailrace.query.matrix.binary import combine
from tailrace.query.matrix.groups import NAME, without_name
from tailrace.query.matrix.matrix import Floats, Matrix, Scalar, Value, constant
from tailrace.query.matrix.merging import merged
from tailrace.query.matrix.order import ranked
from tailrace.query.matrix.pieces import columns, side_by_side
from tailrace.query.plan import Grid
from tailrace.query.promql import calls, sampling, windows
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
    is_weekly,
    weeks_of,
)
from tailrace.query.promql.leaf import NAMED, Leaf, leaf_of
from tailrace.query.promql.points import Points, of_matrix
from tailrace.query.promql.reading import Asked, milliseconds, spread
from tailrace.query.promql.tokens import MS
from tailrace.query.promql.windows import Windows
from tailrace.query.times import SECOND_NS
from tailrace.query.weekly import weekly


class Reads(Protocol):
    """Who reads for a query: a Reader, or who has some of it already."""

    async def leaf(self, leaf: Leaf, on: Grid) -> Matrix:
        """Its value at every step."""
        ...

    async def points(
        self, window: Window, on: Grid, named: bool
    ) -> tuple[list[Labels], Points, Grid]:
        """See `Reader.points`."""
        ...


class Evaluation:
    """Of one query. Raises QueryError, and what `reads` raises."""

    def __init__(self, reads: Reads, asked: Asked) -> None:
        self._reads = reads
        self._asked = asked

    async def value(self, tree: Expression, on: Grid) -> Value:
        """The value of `tree`, a number or a vector, at every step of `on`."""
        if not isinstance(tree, Aggregation) and (leaf := self._leaf(tree)) is not None:
            return await self._read(tree, leaf, on)
        match tree:
            case Number():
                return constant(tree.value, on.steps)
            case Negative():
                inner = await self.value(tree.inner, on)
                return combine("*", inner, constant(-1.0, on.steps))
            case Binary():
                left, right = await self.value(tree.left, on), await self.value(tree.right, on)
                return combine(tree.op, left, right, tree.matching, tree.returns_bool)
            case Aggregation():
                return await self._aggregation(tree, on)
            case Call():
                return await self._call(tree, on)
            case _:
                raise QueryError("the query gives neither numbers nor vectors", tree.position)

    async def vector(self, tree: Expression, on: Grid) -> Matrix:
        """As `value`, of what is a vector."""
        found = await self.value(tree, on)
        assert isinstance(found, Matrix), "the parser knows what is a vector"
        return found

    async def numbers(self, tree: Expression, on: Grid) -> Floats:
        """As `value`, of what is a number; `(steps,)`."""
        found = await self.value(tree, on)
        assert isinstance(found, Scalar), "the parser knows what is a number"
        return found.values

    async def _aggregation(self, tree: Aggregation, on: Grid) -> Matrix:
        if (leaf := self._leaf(tree)) is not None:
            folded = await self._reads.leaf(leaf, on)
            if not _too_large(tree, folded):
                return folded
        inner = await self.vector(tree.inner, on)
        if isinstance(tree.parameter, Text):
            return aggregate(tree.function, tree.grouping, inner, tree.parameter.value)
        if tree.parameter is None:
            return aggregate(tree.function, tree.grouping, inner)
        parameter = await self.numbers(tree.parameter, on)
        if tree.function == "limit_ratio":
            return sampling.part(inner, parameter)
        if (parameter == parameter[0]).all() or np.isnan(parameter).all():
            found = aggregate(tree.function, tree.grouping, inner, float(parameter[0]))
            if tree.function in ("topk", "bottomk"):
                return ranked(found, tree.grouping, descending=tree.function == "topk")
            return found
        steps = [
            aggregate(tree.function, tree.grouping, columns(inner, i, i + 1), float(parameter[i]))
            for i in range(on.steps)
        ]
        return side_by_side(steps)

    def _leaf(self, tree: Expression) -> Leaf | None:
        return leaf_of(tree, self._asked.lookback_ns, self._asked.stored)

    async def _read(self, tree: Expression, leaf: Leaf, on: Grid) -> Matrix:
        """The value of what is a leaf."""
        found = await self._reads.leaf(leaf, on)
        if isinstance(tree, Call) and tree.function == "absent_over_time":
            return absent(found, _matchers(leaf.selector))
        return found

    async def _call(self, tree: Call, on: Grid) -> Value:
        name, arguments = tree.function, tree.arguments
        if over := next((one for one in arguments if isinstance(one, Window | Subquery)), None):
            return await self._over(tree, over, on)
        if is_weekly(tree):
            inner = partial(self.vector, arguments[0])
            return await weekly(name, weeks_of(tree), on, inner)
        match name:
            case "time":
                return Scalar(_seconds(on))
            case "pi":
                return constant(math.pi, on.steps)
            case "start" | "end" | "range" | "step":
                return constant(self._of_the_range(name), on.steps)
            case "timestamp":
                return await self._timestamp(arguments[0], on)
        found = [
            one.value if isinstance(one, Text) else await self.value(one, on) for one in arguments
        ]
        if name == "absent":
            assert isinstance(found[0], Matrix), "the parser knows what is a vector"
            return absent(found[0], _matchers(arguments[0]))
        return calls.call(name, found, _seconds(on))

    def _of_the_range(self, name: str) -> float:
        asked = self._asked
        length_ns = asked.end_ns - asked.start_ns
        return {"start": asked.start_ns, "end": asked.end_ns, "range": length_ns,
                "step": asked.step_ns if length_ns else 0}[name] / SECOND_NS  # fmt: skip

    async def _timestamp(self, of: Expression, on: Grid) -> Matrix:
        found = await self.vector(of, on)
        times = np.broadcast_to(_seconds(on), found.values.shape)
        return merged(list(map(without_name, found.labels)), times, found.present, None)

    async def _over(self, tree: Call, over: Window | Subquery, on: Grid) -> Matrix:
        """A function of a window, or of a subquery."""
        name = tree.function
        labels, samples, read = await self._samples(over, on, name in NAMED)
        window = Windows(samples, milliseconds(read), over.range_ns // MS)
        if name == "absent_over_time":
            there = Matrix(labels, np.ones(window.counts.shape), window.counts > 0, None)
            return spread(absent(there, _matchers(over)), on.steps)
        if name in windows.FUNCTIONS:
            values, present = windows.evaluate(name, window)
        else:
            values, present = await self._with_numbers(tree, window, on)
        return spread(merged(labels, values, present, None), on.steps).without_empty()

    async def _with_numbers(
        self, tree: Call, window: Windows, on: Grid
    ) -> tuple[Floats, np.ndarray]:
        """The values of a function of a window that takes numbers, too, which may be others at
        each step although the window is at a fixed time."""
        others = [one for one in tree.arguments if not isinstance(one, Window | Subquery)]
        given = [await self.numbers(one, on) for one in others]
        now = milliseconds(on)
        if len(window.times) < on.steps:
            window = replace(window, times=np.repeat(window.times, on.steps))
            if all(isinstance(one, Number) for one in others):
                now = np.repeat(now[:1], on.steps)  # of what is always the same, as Prometheus
        return windows.evaluate_with(tree.function, window, given, now)

    async def _samples(
        self, over: Window | Subquery, on: Grid, named: bool
    ) -> tuple[list[Labels], Points, Grid]:
        """Series, their samples, and where their windows end."""
        if isinstance(over, Window):
            return await self._reads.points(over, on, named)
        read = self._asked.moved(on, over.offset_ns, over.at)
        inner = _inner(over, read)
        matrix = await self.vector(over.inner, inner) if inner.steps > 0 else None
        if matrix is None:
            return [], of_matrix(Matrix([], np.empty((0, 0)), np.empty((0, 0), np.bool_)), on), read
        own = list(matrix.labels) if named else list(map(without_name, matrix.labels))
        points = of_matrix(matrix, inner)
        if len(points.times) > limits.QUERY_VALUES:
            raise QueryError(
                f"the subquery gives more than {limits.QUERY_VALUES} values (QUERY_VALUES); "
                "use a longer step"
            )
        return own, points, read

    async def samples(self, tree: Window | Subquery, on: Grid) -> tuple[list[Labels], Points]:
        """The samples of a range at the only step of `on`, with names."""
        labels, found, _ = await self._samples(tree, on, True)
        if len(set(labels)) < len(labels):
            raise QueryError("two series have the same labels in the answer: put a name in quotes")
        return labels, found


def _matchers(tree: Expression) -> Sequence[Matcher]:
    """Those of a selector, but of the name."""
    return [m for m in tree.matchers if m.name != NAME] if isinstance(tree, Selector) else []


def _too_large(tree: Aggregation, folded: Matrix) -> bool:
    """Whether the engine's sum may have been more than a float holds where the mean is not."""
    return tree.function == "avg" and bool(np.isinf(folded.values[folded.present]).any())


def _inner(over: Subquery, on: Grid) -> Grid:
    """The multiples of the step of a subquery in all of its windows, `(first - range, last]`."""
    step = over.step_ns or limits.QUERY_SUBQUERY_STEP_S * SECOND_NS
    first = (on.start_ns - over.range_ns) // step + 1
    steps = on.last_ns // step - first + 1
    if steps > limits.QUERY_SUBQUERY_STEPS:
        raise QueryError(
            f"the subquery has {steps} steps, more than {limits.QUERY_SUBQUERY_STEPS} "
            "(QUERY_SUBQUERY_STEPS); use a longer step in it",
            over.position,
        )
    first = max(first, 0)
    return Grid(first * step, step, max(on.last_ns // step - first + 1, 0))


def _seconds(on: Grid) -> Floats:
    found: Floats = milliseconds(on) / 1000.0
    return found
