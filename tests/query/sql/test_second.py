"""The engine's own reading of a statement, which the first check let pass."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sql_asking import Asker

from tailrace.core.errors import QueryError
from tailrace.query.sql import second

AST = [
    "SELECT * FROM system.tables",
    "SELECT * FROM default.frames",
    "SELECT * FROM frames",
    "SELECT * FROM numbers(3)",
    "SELECT * FROM file('/x', 'CSV', 'a String')",
    "SELECT * FROM default.logs WHERE Body IN frames",
    "SELECT * FROM default.logs WHERE Body IN (frames)",
    "SELECT * FROM default.logs WHERE Body NOT IN default.frames",
    "SELECT file('/x')",
    "SELECT (SELECT (SELECT hostName()))",
    "SELECT * FROM (SELECT * FROM merge('default', '.*'))",
    "SELECT COLUMNS('a') FROM default.logs",
    "SELECT * APPLY(hostName) FROM default.logs",
    "SELECT 1 UNION ALL SELECT count() FROM system.tables",
    "SELECT 1 SETTINGS max_threads = 1",
]
RESOLVED = [
    "SELECT current_user",
    "SELECT arrayMap(file, ['/x'])",
    "SELECT * FROM system.tables",
    "SELECT * FROM numbers(3)",
    "SELECT 1 WHERE 'a' IN (SELECT name FROM system.tables)",
]


def explained(asker: Asker, how: str, statement: str) -> list[str]:
    rows = asyncio.run(asker.engine.rows(f"EXPLAIN {how} {statement}"))
    return [str(row[0]) for row in rows]


@pytest.mark.parametrize("statement", AST)
def test_what_is_not_ours_is_refused_as_written(asker: Any, statement: str) -> None:
    with pytest.raises(QueryError, match="differently"):
        second.examine(explained(asker, "AST", f"SELECT * FROM ({statement})"))


@pytest.mark.parametrize("statement", RESOLVED)
def test_what_is_not_ours_is_refused_as_resolved(asker: Any, statement: str) -> None:
    with pytest.raises(QueryError, match="differently"):
        second.examine_resolved(explained(asker, "QUERY TREE", statement))


def test_nothing_is_refused_too() -> None:
    """The client asks for no rows of a statement that ends with LIMIT 0."""
    with pytest.raises(QueryError, match="no query"):
        second.examine([])
    with pytest.raises(QueryError, match="no query"):
        second.examine_resolved([])


def test_what_is_ours_passes(asker: Any) -> None:
    statement = "SELECT Body, 'a\n  FUNCTION id: 1, function_name: file' FROM default.logs AS x"
    second.examine(explained(asker, "AST", f"SELECT * FROM ({statement})"))
    second.examine_resolved(explained(asker, "QUERY TREE", statement))
