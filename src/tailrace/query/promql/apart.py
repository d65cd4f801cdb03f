"""Reads of a query whose leaves somebody else may have read already."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from tailrace.core.frame import Signal
from tailrace.query.labels import Labels
from tailrace.query.matrix.matrix import Matrix
from tailrace.query.plan import Grid
from tailrace.query.promql.ast import Selector, Window
from tailrace.query.promql.leaf import Elsewhere, Leaf
from tailrace.query.promql.points import Points
from tailrace.query.promql.reading import Asked, Reader
from tailrace.query.service import QueryService


class Apart:
    """A Reads, see evaluation.py. Whatever nobody else has read takes a slot of its own, so that no
    slot is held while others read."""

    def __init__(self, service: QueryService, asked: Asked, elsewhere: Elsewhere) -> None:
        self._service = service
        self._asked = asked
        self._elsewhere = elsewhere

    async def leaf(self, leaf: Leaf, on: Grid) -> Matrix:
        """See Reads."""
        if (found := await self._elsewhere(leaf, on)) is not None:
            return found
        async with alone(self._service, self._asked, leaf.selector, leaf.range_ns, on) as reader:
            return await reader.leaf(leaf, on)

    async def points(
        self, window: Window, on: Grid, named: bool
    ) -> tuple[list[Labels], Points, Grid]:
        """See Reads."""
        selector, range_ns = window.selector, window.range_ns
        async with alone(self._service, self._asked, selector, range_ns, on) as reader:
            return await reader.points(window, on, named)


@asynccontextmanager
async def alone(
    service: QueryService, asked: Asked, selector: Selector, range_ns: int, on: Grid
) -> AsyncIterator[Reader]:
    """Who reads this and nothing else, in a slot of its own."""
    read = asked.moved(on, selector.offset_ns, selector.at)
    start_ns, end_ns = read.start_ns - range_ns, read.last_ns
    source = await service.source(Signal.METRICS, asked.tenant, max(start_ns, 0), end_ns)
    async with service.slot("samples"):
        yield Reader(service, replace(asked, sources={(start_ns, end_ns): source}))
