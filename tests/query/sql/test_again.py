"""A statement that is asked again and again, each time as of another time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sql_asking import BASE, SECOND, Asker

from tailrace.core.bounds import Bounds
from tailrace.core.errors import QueryError
from tailrace.query.bounds.question import Question, asking
from tailrace.query.service import QueryService
from tailrace.query.sql.formats import Field
from tailrace.query.sql.service import Sql
from tailrace.query.sql.views import Extent

COUNT = "SELECT count() AS n, max(Timestamp) <= now() AS before FROM logs WHERE Body != '100% 5'"


async def rows(
    asker: Asker, text: str, end_s: int, known: tuple[Field, ...] = (), **bounds: int
) -> tuple[list[Any], tuple[Field, ...]]:
    """Of the first seconds, and the columns. `now()` is their end."""
    sql = Sql(QueryService(asker.engine, sources=asker.sources))  # type: ignore[arg-type]
    end_ns = BASE + end_s * SECOND
    with asking(Question(asker.tenant, text)):
        extent = Extent(asker.tenant, BASE, end_ns, now_ns=end_ns)
        prepared = await sql.prepare(text, extent, known)
        return await sql.rows(prepared, Bounds(**bounds), "it is too much"), prepared.fields


def test_each_time_has_its_rows_and_the_engine_looks_once(asker: Asker) -> None:
    async def play() -> None:
        found, fields = await rows(asker, COUNT, 2)
        assert found == [(2, 1)]
        assert await rows(asker, COUNT, 5, fields) == ([(5, 1)], fields)

    asyncio.run(play())


def test_a_percent_sign_needs_no_other_parameter(asker: Asker) -> None:
    found, _ = asyncio.run(rows(asker, "SELECT 7 % 4 AS a", 1))
    assert found == [(3,)]


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("SELECT Body FROM logs", {"result_rows": 5}),
        ("SELECT arrayJoin(range(6)) AS a", {"result_rows": 5}),
        ("SELECT repeat('x', 1000) AS a FROM logs", {"result_bytes": 5_000}),
    ],
)
def test_what_is_given_whole_is_bounded_whatever_it_is(
    asker: Asker, text: str, bounds: dict[str, int]
) -> None:
    with pytest.raises(QueryError, match="it is too much"):
        asyncio.run(rows(asker, text, 10, **bounds))
