"""Questions about the metrics of one tenant, within the bounds of the query service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tailrace.core import limits
from tailrace.core.errors import QueryError
from tailrace.core.frame import Signal
from tailrace.query.labels import Labels, sanitise
from tailrace.query.matrix.matrix import Matrix, Value
from tailrace.query.plan import Grid, Statement
from tailrace.query.promql import seriestable
from tailrace.query.promql.apart import Apart, alone
from tailrace.query.promql.ast import (
    NAME,
    Call,
    Expression,
    Selector,
    Subquery,
    Window,
    is_weekly,
    walk,
)
from tailrace.query.promql.evaluation import Evaluation
from tailrace.query.promql.functions import OF_THE_RANGE
from tailrace.query.promql.kinds import kind
from tailrace.query.promql.leaf import Elsewhere, Leaf
from tailrace.query.promql.points import Points
from tailrace.query.promql.reading import Asked, Reader, select
from tailrace.query.promql.series import Found, as_stored, safe_name
from tailrace.query.promql.seriestable import Span
from tailrace.query.promql.spans import spans
from tailrace.query.promql.text import text
from tailrace.query.service import QueryService
from tailrace.query.sources import Source
from tailrace.query.steps import StepKey
from tailrace.query.times import SECOND_NS

LOOKBACK_NS = limits.QUERY_LOOKBACK_S * SECOND_NS


class Samples:
    """All methods raise QueryError, Busy, StoreError or TimeoutError, and take a slot."""

    def __init__(self, service: QueryService) -> None:
        self.service = service

    async def value(
        self,
        tree: Expression,
        tenant: str,
        on: Grid,
        lookback_ns: int = LOOKBACK_NS,
    ) -> Value:
        """The value of a number or a vector at every step of `on`. Finished steps are remembered,
        unless they depend on the range that is asked for."""
        # Not of the missing steps alone: what is told of the others changes with time, too.
        sources = await self._sources(tree, tenant, on, lookback_ns)

        async def part(missing: Grid) -> Value:
            asked = _asked(tree, tenant, missing, lookback_ns, sources)
            async with self.service.slot("samples"):
                if any(map(is_weekly, walk(tree))):
                    self.service.together()
                return await Evaluation(Reader(self.service, asked), asked).value(tree, missing)

        async def series(missing: Grid) -> Matrix:
            matrix = await part(missing)
            assert isinstance(matrix, Matrix), "the parser knows what is a vector"
            return matrix

        if on.steps < 2 or kind(tree) == "scalar" or _of_the_range(tree):
            found = await part(on)
        else:
            key = StepKey(tenant, Signal.METRICS, f"promql {lookback_ns}", text(tree))
            found = await self.service.steps.evaluate(key, on, series, _ahead_ns(tree))
        if isinstance(found, Matrix):
            _check_answer(found)
        return found

    async def value_with(
        self, tree: Expression, tenant: str, on: Grid, elsewhere: Elsewhere
    ) -> Value:
        """As `value`, with what `elsewhere` has read of it; each of the other leaves is read in a
        slot of its own. Nothing is remembered."""
        asked = _asked(tree, tenant, on, LOOKBACK_NS, {})
        found = await Evaluation(Apart(self.service, asked, elsewhere), asked).value(tree, on)
        if isinstance(found, Matrix):
            _check_answer(found)
        return found

    async def leaves(
        self, leaf: Leaf, label: str, values: Sequence[str], tenant: str, on: Grid
    ) -> Mapping[str, Matrix]:
        """By value, what each of the leaves gives that are `leaf` with `label="value"`, too; of the
        label "" it is `leaf` itself, under "". Nothing is remembered."""
        asked = Asked(tenant, on.start_ns, on.last_ns, on.step_ns)
        async with alone(self.service, asked, leaf.selector, leaf.range_ns, on) as reader:
            if not label:
                return {"": await reader.leaf(leaf, on)}
            return await reader.leaves(leaf, label, values, on)

    async def _sources(
        self, tree: Expression, tenant: str, on: Grid, lookback_ns: int
    ) -> dict[tuple[int, int], Source]:
        """Where the samples of each range are that the query reads."""
        return {
            span: await self.service.source(Signal.METRICS, tenant, max(span[0], 0), span[1])
            for span in dict.fromkeys(spans(tree, on.start_ns, on.last_ns, lookback_ns))
        }

    async def window(
        self, tree: Window | Subquery, tenant: str, time_ns: int
    ) -> tuple[list[Labels], Points]:
        """The single samples in a range that ends at a time. Raises QueryError when they are more
        than an answer may hold."""
        on = Grid(time_ns, SECOND_NS, 1)
        sources = await self._sources(tree, tenant, on, LOOKBACK_NS)
        asked = _asked(tree, tenant, on, LOOKBACK_NS, sources)
        async with self.service.slot("samples"):
            if any(map(is_weekly, walk(tree))):
                self.service.together()
            evaluation = Evaluation(Reader(self.service, asked), asked)
            labels, found = await evaluation.samples(tree, on)
        if len(found.times) > limits.QUERY_CELLS or len(labels) > limits.QUERY_SERIES:
            raise QueryError(
                f"the range holds more than {limits.QUERY_CELLS} samples (QUERY_CELLS) or "
                f"{limits.QUERY_SERIES} series (QUERY_SERIES)"
            )
        return labels, found

    async def series(self, selectors: Sequence[Selector], tenant: str, span: Span) -> list[Labels]:
        """Label sets of the series that any of `selectors` selects, seen within the hours of
        `span`."""
        unique: set[Labels] = set()
        async with self.service.slot("series"):
            for selector in selectors:
                found = await self.select(selector, tenant, span)
                unique |= {one.spelled(as_stored(selector)) for one in found}
        return sorted(unique)

    async def select(self, selector: Selector, tenant: str, span: Span) -> list[Found]:
        """The series of a selector; needs a slot."""
        most = limits.QUERY_SERIES_SUMMED
        return await select(self.service, selector.matchers, tenant, span, most)

    async def label_names(self, tenant: str, span: Span) -> list[str]:
        """Sorted names of labels, in the spelling with "_"."""
        most = limits.QUERY_SERIES_SUMMED
        async with self.service.slot("labels"):
            rows = await self._within(seriestable.label_names(tenant, span, most + 1), "labels")
        return sorted({NAME, *(sanitise(row[0]) for row in rows)}) if rows else []

    async def label_values(self, label: str, tenant: str, span: Span) -> list[str]:
        """Sorted values of a label."""
        most = limits.QUERY_SERIES_SUMMED
        statement = seriestable.label_values(label, tenant, span, most + 1)
        async with self.service.slot("labels"):
            rows = await self._within(statement, "values of the label")
        values = {str(row[0]) for row in rows if row[0]}
        return sorted(set(map(safe_name, values)) if label == NAME else values)

    async def metadata(self, tenant: str, metric: str) -> dict[str, tuple[str, str]]:
        """Kind and unit by stored name; of `metric` only, unless it is ""."""
        most = limits.QUERY_SERIES_SUMMED
        async with self.service.slot("metadata"):
            rows = await self._within(seriestable.metadata(tenant, metric, most + 1), "metrics")
        return {str(name): (str(kind), str(unit)) for name, kind, unit in rows}

    async def _within(self, statement: Statement, what: str) -> list[tuple[Any, ...]]:
        """Rows of a statement. Raises QueryError when they are more than an answer may hold."""
        rows = await self.service.run(statement)
        if len(rows) > limits.QUERY_SERIES_SUMMED:
            most = limits.QUERY_SERIES_SUMMED
            raise QueryError(f"there are more than {most} {what} (QUERY_SERIES_SUMMED)")
        return rows


def _asked(
    tree: Expression,
    tenant: str,
    on: Grid,
    lookback_ns: int,
    sources: Mapping[tuple[int, int], Source],
) -> Asked:
    stored = as_stored(tree)
    return Asked(tenant, on.start_ns, on.last_ns, on.step_ns, stored, lookback_ns, sources)


def _of_the_range(tree: Expression) -> bool:
    """Whether the value at a step depends on more than samples around it."""
    return any(
        (isinstance(one, Selector | Subquery) and one.at is not None)
        or (isinstance(one, Call) and one.function in OF_THE_RANGE)
        for one in walk(tree)
    )


def _ahead_ns(tree: Expression) -> int:
    """How far after a step samples may be that it depends on."""
    offsets = [one.offset_ns for one in walk(tree) if isinstance(one, Selector | Subquery)]
    return sum(-offset for offset in offsets if offset < 0)


def _check_answer(found: Matrix) -> None:
    if len(found.labels) > limits.QUERY_SERIES:
        raise QueryError(f"the answer has more than {limits.QUERY_SERIES} series (QUERY_SERIES)")
    if found.values.size > limits.QUERY_CELLS:
        raise QueryError(
            f"{len(found.labels)} series at {found.steps} steps are more than "
            f"{limits.QUERY_CELLS} cells (QUERY_CELLS); use a longer step or fewer series"
        )
