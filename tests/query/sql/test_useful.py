"""What people ask works and gives the right rows. The data is in conftest.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sql_useful import USEFUL

from tailrace.query.sql.views import VIEWS


def test_there_are_many_of_them() -> None:
    assert len({query for query, _ in USEFUL}) == len(USEFUL) > 120


@pytest.mark.parametrize(("query", "rows"), USEFUL, ids=[query for query, _ in USEFUL])
def test_a_useful_query_gives_its_rows(asker: Any, query: str, rows: list[list[Any]]) -> None:
    assert asker.rows(query) == rows


def test_the_columns_of_a_view_are_the_documented_ones(asker: Any) -> None:
    for view, columns in VIEWS.items():
        answer = asker.ask(f"SELECT * FROM {view} LIMIT 1").json()
        assert [(one["name"], one["type"]) for one in answer["meta"]] == [
            (one.name, one.kind) for one in columns
        ]


def test_an_unnamed_column_is_called_as_it_was_written(asker: Any) -> None:
    names = asker.ask("SELECT count(), upper('a b'), sum(n) FROM (SELECT 1 AS n)").json()["meta"]
    assert [one["name"] for one in names] == ["count()", "upper(a b)", "sum(n)"]


def test_the_range_bounds_every_view(asker: Any) -> None:
    for view in ("logs", "spans", "metrics", "exemplars", "series"):
        assert asker.rows(f"SELECT count() FROM {view}", start="1000000000", end="1000003600") == [
            [0]
        ]
    part = {"start": "1767225601", "end": "1767225603"}
    assert asker.rows("SELECT Body FROM logs ORDER BY Timestamp", **part) == [["two"], ["three"]]


def test_every_column_of_a_view_is_described_and_no_other() -> None:
    page = (Path(__file__).parents[3] / "docs" / "sql.md").read_text()
    for view, columns in VIEWS.items():
        section = page.split(f"### {view}\n", 1)[1].split("\n#", 1)[0]
        described = [line for line in section.splitlines() if line.startswith("| `")]
        assert described == [f"| `{one.name}` | `{one.kind}` | {one.about} |" for one in columns]
