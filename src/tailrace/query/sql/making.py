"""From the text of a query to the statement that runs. Imported with the first query: the parser
takes a tenth of a second, and most servers are asked nothing in SQL."""

from __future__ import annotations

from sqlglot import exp

from tailrace.core.errors import QueryError
from tailrace.query.plan import Statement
from tailrace.query.sql.checker import check
from tailrace.query.sql.parser import parse
from tailrace.query.sql.rewrite import statement
from tailrace.query.sql.views import Extent


def made(text: str, extent: Extent) -> tuple[Statement, frozenset[str]]:
    """The statement of `text`, checked, and the names of tables in it. Raises QueryError."""
    tree = parse(text)
    try:
        check(tree)
        names = frozenset(node.name for node in tree.find_all(exp.Table))
        return statement(tree, extent), names
    except RecursionError:
        raise QueryError("the query is nested too deeply") from None
