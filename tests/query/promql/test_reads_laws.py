"""The laws of Reads: whoever reads for a query gives the same, at each step that is asked for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tailrace.core.frame import Signal
from tailrace.query.matrix.matrix import Matrix
from tailrace.query.plan import Grid
from tailrace.query.promql.apart import Apart
from tailrace.query.promql.ast import NAME, Expression, Window
from tailrace.query.promql.evaluation import Reads
from tailrace.query.promql.leaf import Leaf, leaf_of
from tailrace.query.promql.parser import parse
from tailrace.query.promql.points import Points
from tailrace.query.promql.reading import Asked, Reader
from tailrace.query.promql.samples import LOOKBACK_NS
from tailrace.query.promql.spans import spans
from tailrace.query.service import QueryService

from ..conftest import BASE_S, SECOND

GRID = Grid((BASE_S + 60) * SECOND, 30 * SECOND, 3)


async def _nobody(leaf: Leaf, on: Grid) -> Matrix | None:
    return None


class Play:
    """A kind of Reads over two series of one metric."""

    def __init__(self, engine: Any, kind: str) -> None:
        self._service = QueryService(engine)
        self._kind = kind
        self.tenant = engine.tenant()
        points = [(at, float(at)) for at in range(0, 180, 10)]
        engine.load_samples(self.tenant, [("m", {"host": host}, points) for host in ("a", "b")])

    async def reads(self, tree: Expression, on: Grid) -> Reads:
        """Who reads for a query. One that holds a slot knows where the rows are."""
        asked = Asked(self.tenant, on.start_ns, on.last_ns, on.step_ns)
        if self._kind == "apart":
            return Apart(self._service, asked, _nobody)
        for span in spans(tree, on.start_ns, on.last_ns, LOOKBACK_NS):
            found = await self._service.source(Signal.METRICS, self.tenant, *span)
            asked = Asked(self.tenant, on.start_ns, on.last_ns, on.step_ns, sources={span: found})
        return Reader(self._service, asked)

    def leaf(self, text: str, on: Grid = GRID) -> Matrix:
        async def whole() -> Matrix:
            tree = parse(text)
            leaf = leaf_of(tree, LOOKBACK_NS, stored=False)
            assert leaf is not None
            reads = await self.reads(tree, on)
            if self._kind == "apart":
                return await reads.leaf(leaf, on)
            async with self._service.slot("samples"):
                return await reads.leaf(leaf, on)

        return asyncio.run(whole())

    def points(self, text: str, on: Grid = GRID) -> tuple[int, Points, Grid]:
        async def whole() -> tuple[int, Points, Grid]:
            tree = parse(text)
            assert isinstance(tree, Window)
            reads = await self.reads(tree, on)
            if self._kind == "apart":
                labels, found, read = await reads.points(tree, on, True)
            else:
                async with self._service.slot("samples"):
                    labels, found, read = await reads.points(tree, on, True)
            return len(labels), found, read

        return asyncio.run(whole())


@pytest.fixture(params=["whole", "apart"])
def play(engine: Any, request: pytest.FixtureRequest) -> Play:
    return Play(engine, request.param)


def by_host(found: Matrix) -> dict[str, list[float]]:
    return {dict(one)["host"]: found.values[row].tolist() for row, one in enumerate(found.labels)}


def test_a_leaf_has_a_value_at_every_step(play: Play) -> None:
    found = play.leaf("m")
    assert by_host(found) == {"a": [60.0, 90.0, 120.0], "b": [60.0, 90.0, 120.0]}
    assert found.present.all()


def test_its_series_have_their_names_where_the_value_is_a_sample_as_it_is(play: Play) -> None:
    assert {dict(one).get(NAME) for one in play.leaf("m").labels} == {"m"}
    assert {dict(one).get(NAME) for one in play.leaf("rate(m[20s])").labels} == {None}


def test_an_offset_and_a_fixed_time_are_kept(play: Play) -> None:
    assert by_host(play.leaf('m{host="a"} offset 30s')) == {"a": [30.0, 60.0, 90.0]}
    assert by_host(play.leaf(f'm{{host="a"}} @ {BASE_S + 10}')) == {"a": [10.0] * 3}


def test_what_is_folded_is_one_series(play: Play) -> None:
    found = play.leaf("sum(m)")
    assert (list(found.labels), found.values.tolist()) == ([()], [[120.0, 180.0, 240.0]])


def test_where_nothing_is_there_is_no_series(play: Play) -> None:
    assert play.leaf("nothing").labels == []
    assert play.leaf("m", Grid(-60 * SECOND, SECOND, 2)).labels == []


def test_points_are_those_of_the_windows(play: Play) -> None:
    series, found, read = play.points("m[20s] offset 10s")
    assert series == 2
    assert (read.start_ns, read.steps) == (GRID.start_ns - 10 * SECOND, 3)
    # Open on the left: from 40 seconds on, until 110, of two series.
    assert sorted(set(found.values.tolist())) == [float(at) for at in range(40, 120, 10)]
