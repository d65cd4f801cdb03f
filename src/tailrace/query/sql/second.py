"""A second look at a statement, by the engine's own parser.

The checks stand on another parser's reading of the text. So the statement that was made of it is
shown to the engine: first with EXPLAIN AST, which runs nothing, then with EXPLAIN QUERY TREE, which
says what each name turned out to be, a table or a function, and computes constants. What the engine
sees must again be tables of ours and allowed functions. A difference between the readings is
refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from tailrace.core.errors import QueryError
from tailrace.query.sql.functions import allowed
from tailrace.query.sql.views import TABLES

_LINE = re.compile(r"( *)([\w:]+)(?: (.*?))?(?: \(alias .*?\))?(?: \(children \d+\))?")
_NODES = """
ArrayJoin Asterisk ColumnsExceptTransformer ColumnsReplaceTransformer
ColumnsReplaceTransformer::Replacement ColumnsTransformerList ExpressionList Function Identifier
InterpolateElement Literal OrderByElement QualifiedAsterisk SelectIntersectExceptQuery SelectQuery
SelectWithUnionQuery Subquery TableExpression TableIdentifier TableJoin TablesInSelectQuery
TablesInSelectQueryElement WindowDefinition WindowListElement WithElement
"""
_KINDS = frozenset(_NODES.split())
# What operators and syntax become.
# The engine's client appends settings to the outermost SELECT, which is around the user's.
_OWN_SETTINGS = 3
_MEMBERSHIP = frozenset(("in", "notIn", "globalIn", "globalNotIn"))
_OPERATORS = _MEMBERSHIP | {"exists", "lambda", "CAST", "_CAST", "caseWithExpression"}


# What SELECT without FROM reads.
_NOTHING = "system.one"
_RESOLVED = re.compile(r" *(\w+) id: \d+(?:, alias: \w+)?(?:, \w*?_?name: ([^,]*))?.*", re.DOTALL)
# What the engine makes of operators, types and GROUP BY by itself.
_INTERNAL = frozenset(
    (
        *("grouping", "__groupingOrdinary", "__groupingForRollup", "__groupingForCube"),
        *("__groupingForGroupingSets", "nullIn", "notNullIn", "nothing", "toNullable"),
    )
)


def examine_resolved(lines: Iterable[str]) -> None:
    """`lines` of an EXPLAIN QUERY TREE. Raises QueryError as `examine` does."""
    first = ""
    for line in lines:
        first = first or line
        found = _RESOLVED.fullmatch(line)
        if found is None:
            continue
        kind, name = found[1], found[2] or ""
        if kind == "TABLE_FUNCTION":
            raise _refused(f"the table function {name}")
        if kind == "TABLE" and name not in TABLES and name != _NOTHING:
            raise _refused(f"the table {name}")
        if kind == "FUNCTION" and not allowed(name) and name not in _OPERATORS | _INTERNAL:
            raise _refused(f"the function {name}")
    if not first.startswith(("QUERY id: ", "UNION id: ")):
        raise _refused("no query")


def examine(lines: Iterable[str]) -> None:
    """`lines` of an EXPLAIN AST of `SELECT * FROM (statement)`.

    Raises QueryError when one of them is not as it must be.
    """
    path: list[tuple[int, str, str]] = []
    seen_in: dict[int, int] = {}
    seen = 0
    for line in lines:
        seen += 1
        found = _LINE.fullmatch(line)
        if found is None:
            raise _refused("an unknown part")
        depth, kind, name = len(found[1]), found[2], found[3] or ""
        while path and path[-1][0] >= depth:
            path.pop()
        # The format that the client asks for is the last word of the outermost node.
        if depth == 1 and kind == "Identifier":
            name = "format"
        elif depth <= _OWN_SETTINGS and kind == "Set":
            continue
        _look(kind, name, path)
        if len(path) >= 2 and path[-1][1] == "ExpressionList" and path[-2][2] in _MEMBERSHIP:
            seen_in[path[-1][0]] = seen_in.get(path[-1][0], 0) + 1
            if seen_in[path[-1][0]] == 2 and kind not in ("Subquery", "Literal", "Function"):
                raise _refused(f"{name} after IN")
        if kind == "ExpressionList":
            seen_in.pop(depth, None)
        path.append((depth, kind, name if kind == "Function" else ""))
    if seen < 2:
        raise _refused("no query")


def _look(kind: str, name: str, path: list[tuple[int, str, str]]) -> None:
    if kind not in _KINDS:
        raise _refused(kind)
    if kind == "TableIdentifier" and name not in TABLES and not name.startswith("__with_"):
        raise _refused(f"the table {name}")
    if kind != "Function":
        return
    if path and path[-1][1] == "TableExpression":
        raise _refused(f"the table function {name}")
    if not allowed(name) and name not in _OPERATORS:
        raise _refused(f"the function {name}")


def _refused(what: str) -> QueryError:
    return QueryError(f"the engine reads the query differently: {what[:80]}; write it another way")
