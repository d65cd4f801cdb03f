"""The laws of `Sources`, for every one of them and every place where rows can be."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tailrace.core.frame import Signal
from tailrace.query.binder import Binder
from tailrace.query.bounds.question import Question, asking
from tailrace.query.plan import of_tenant
from tailrace.query.sources import HotOnly, Source, Sources

from .archiving import BASE, SECOND, Archiving

SECONDS = (1, 20, 40, 59)
# Which sources, from which second on rows are hot, and what the question is to be answered from.
PLACES = {
    "the hot tables alone": (HotOnly, 0, ""),
    "an archive that nothing is dropped for": (Archiving, 0, ""),
    "hot from the middle on": (Archiving, 30, ""),
    "nothing is hot": (Archiving, 3600, ""),
    "exactly from the archive": (Archiving, 30, "archive"),
}


class Place:
    """Rows of two tenants at SECONDS, wherever they are."""

    def __init__(self, engine: Any, folder: Path, name: str) -> None:
        kind, hot_from, self._exact = PLACES[name]
        self._engine = engine
        self._tenant: str = engine.tenant()
        store = Archiving(engine, folder)
        for tenant in (self._tenant, engine.tenant()):
            engine.load(tenant, [
                {"ns": BASE + second * SECOND, "body": f"at {second}"} for second in SECONDS
            ])  # fmt: skip
            if kind is Archiving:
                store.archived(tenant)
                store.dropped(BASE + hot_from * SECOND, tenant)
        self._sources: Sources = store.service.sources if kind is Archiving else HotOnly()

    def source(self, first: int, last: int) -> Source:
        """For rows from one second to another."""
        span = (BASE + first * SECOND, BASE + last * SECOND)
        with asking(Question(self._tenant, exact=self._exact)):
            return asyncio.run(self._sources.source(Signal.LOGS, self._tenant, *span))

    def lines(self, source: Source, first: int, last: int) -> list[str]:
        """What a statement reads of it."""
        bind = Binder()
        where = of_tenant(self._tenant, (BASE + first * SECOND, BASE + last * SECOND), bind)
        sql = f"SELECT toValidUTF8(Body) FROM {source.table} WHERE {where} ORDER BY Timestamp"
        return [line for (line,) in asyncio.run(self._engine.rows(sql, bind.values))]


@pytest.fixture(scope="module", params=list(PLACES))
def place(
    request: pytest.FixtureRequest, engine: Any, tmp_path_factory: pytest.TempPathFactory
) -> Place:
    """It is only read."""
    return Place(engine, tmp_path_factory.mktemp("place"), request.param)


@pytest.mark.parametrize(("first", "last"), [(0, 59), (0, 25), (20, 40), (35, 59), (2, 3)])
def test_a_source_has_each_row_of_its_time_once(place: Place, first: int, last: int) -> None:
    wanted = [f"at {second}" for second in SECONDS if first <= second <= last]
    assert place.lines(place.source(first, last), first, last) == wanted


@pytest.mark.parametrize(("first", "last"), [(0, 59), (0, 25), (20, 40), (35, 59), (2, 3)])
def test_a_part_of_a_source_has_the_rows_of_the_part(place: Place, first: int, last: int) -> None:
    part = place.source(0, 59).within(BASE + first * SECOND, BASE + last * SECOND)
    wanted = [f"at {second}" for second in SECONDS if first <= second <= last]
    assert place.lines(part, first, last) == wanted
