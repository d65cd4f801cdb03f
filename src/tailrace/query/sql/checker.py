"""Is a parsed statement only what docs/sql.md promises? Everything else is refused with its place.

Lists of what is allowed, none of what is not: kinds of nodes and their parts (shapes.py), names of
functions (functions.py), views and the statement's own WITH queries as tables, types to cast to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from sqlglot import exp

from tailrace.query.sql.functions import allowed
from tailrace.query.sql.parser import print_sql, wrong
from tailrace.query.sql.shapes import ALLOWED, CALLS, TYPES
from tailrace.query.sql.views import COLUMN_NAMES, VIEWS

# Patterns of our own over bounded names; nothing of the user's is compiled.
_NAME = re.compile(r"(?!__)[A-Za-z_][A-Za-z0-9_ .:%/()+-]{0,99}")
_WORD = re.compile(r"[A-Za-z][A-Za-z_ ]{0,39}")
_NUMBER = re.compile(r"(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,4})?")
_AMOUNT = re.compile(r"[0-9]{1,9}")
_TYPE = re.compile(r"[A-Za-z0-9_(), /'+-]{1,200}")
_TYPE_WORD = re.compile(r"'[A-Za-z0-9_/+-]*'|[A-Za-z_][A-Za-z0-9_]*|'")
_CALL = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_TABLES = f"the tables are {', '.join(VIEWS)}"
_REASONS: Mapping[str, str] = {
    "settings": "SETTINGS cannot be changed",
    "format": "FORMAT is asked with the parameter `format`",
    "into": "INTO is not allowed",
    "prewhere": "PREWHERE is not for views; use WHERE",
    "sample": "SAMPLE is not for views",
    "final": "FINAL is not for views",
    "totals": "WITH TOTALS has no place in these results; use WITH ROLLUP",
    "recursive": "WITH RECURSIVE is not allowed",
    "columns": "names of columns after an alias are not allowed; use AS in the query",
}

_NAMES: Mapping[type[exp.Expr], str] = {
    exp.Placeholder: "a parameter {name:Type}",
    exp.Parameter: "a parameter",
    exp.HexString: "a hexadecimal or binary text",
    exp.JSONExtract: "a lambda or a path like this",
    exp.CastToStrType: "CAST with a type in quotes; write CAST(x AS type), which",
    exp.Values: "VALUES",
    exp.Apply: "APPLY",
    exp.Table: "a table",
    exp.Any: "ANY or ALL; use IN, which",
}


def check(tree: exp.Query) -> None:
    """Raises QueryError for anything that is not allowed."""
    known = _known(tree)
    for node in tree.walk(prune=lambda found: isinstance(found, exp.DataType)):
        _shape(node)
        _value(node)
        if isinstance(node, exp.Column):
            _column(node, known)
        elif isinstance(node, exp.Table):
            _table(node)
        elif isinstance(node, exp.In):
            _membership(node)
        elif isinstance(node, exp.CTE):
            _common(node)
        elif isinstance(node, CALLS):
            _call(node)


def common_names(node: exp.Expr) -> Iterable[str]:
    """Names of the WITH queries that `node` may read as tables."""
    above: exp.Expr | None = node
    while above is not None:
        with_ = above.args.get("with_")
        for common in with_.expressions if with_ else ():
            if not common.args.get("scalar"):
                yield common.alias
        above = above.parent


def _shape(node: exp.Expr) -> None:
    if isinstance(node, exp.DataType):
        return _type(node)
    parts = ALLOWED.get(type(node))
    if parts is None:
        raise wrong(f"{_kind(node)} is not allowed here", node)
    for name, value in node.args.items():
        if value in (None, False, "") or (isinstance(value, list) and not value):
            continue
        if name not in parts:
            if isinstance(node, exp.Table) and name in ("db", "catalog"):
                raise wrong(f"there is no table {_dotted(node)!r}; {_TABLES}", node)
            unknown = f"{name.strip('_').upper()} of {_kind(node)} is not allowed"
            raise wrong(_REASONS.get(name, unknown), node)
        _words(node, name, value)
    return None


def _words(node: exp.Expr, name: str, value: object) -> None:
    """Words that are printed as they stand."""
    if isinstance(node, exp.Identifier | exp.Literal):
        return
    if isinstance(node, CALLS) and name == "this":
        return
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, bool | int | exp.Expr):
            continue
        if not isinstance(one, str) or not _WORD.fullmatch(one):
            raise wrong(f"{_kind(node)} is not allowed like this", node)


def _value(node: exp.Expr) -> None:
    if isinstance(node, exp.Identifier):
        if not isinstance(node.this, str) or not _NAME.fullmatch(node.this):
            raise wrong(
                f"the name {str(node.this)[:40]!r} is not allowed: letters, digits, _ and few "
                "other signs, and not __ at its start",
                node,
            )
    elif isinstance(node, exp.Literal) and not node.is_string:
        if not _NUMBER.fullmatch(node.this):
            raise wrong(f"{node.this[:40]!r} is no number", node)
    elif isinstance(node, exp.Var):
        # It is printed as it stands, and so must be nothing but a unit.
        if not isinstance(node.parent, exp.Interval | exp.Extract):
            raise wrong(f"{str(node.this)[:40]!r} is not allowed here", node)
    elif isinstance(node, exp.Interval):
        amount = node.this
        if isinstance(amount, exp.Literal) and not _AMOUNT.fullmatch(amount.this):
            raise wrong(f"{amount.this[:40]!r} is no whole number of an INTERVAL", node)


def _known(tree: exp.Query) -> frozenset[str]:
    """Names that a column may have: those of the views, and what the statement itself names.

    Any other could be a function to the engine, which takes `arrayMap(f, x)` and `current_user`.
    """
    found = set(COLUMN_NAMES | VIEWS.keys())
    found |= {one.alias for one in tree.find_all(exp.Alias, exp.TableAlias, exp.CTE)}
    found |= {one.name for one in tree.find_all(exp.TableAlias)}
    for one in tree.find_all(exp.Lambda):
        found |= {parameter.name for parameter in one.expressions}
    return frozenset(found)


def _column(node: exp.Column, known: frozenset[str]) -> None:
    for part in node.parts:
        number = isinstance(part, exp.Literal) and not part.is_string
        if not number and not isinstance(part, exp.Star) and part.name not in known:
            raise wrong(f"there is no column {part.name[:60]!r}", part)


def _type(node: exp.DataType) -> None:
    text = print_sql(node)
    words = _TYPE_WORD.findall(text)
    unknown = [one for one in words if one == "'" or (one[0] != "'" and one.lower() not in TYPES)]
    if not _TYPE.fullmatch(text) or unknown:
        raise wrong(f"the type {text[:60]} is not one to cast to", node)


def _table(node: exp.Table) -> None:
    if not isinstance(node.this, exp.Identifier):
        raise wrong(f"table functions are not allowed; {_TABLES}", node)
    if node.name not in VIEWS and node.name not in common_names(node):
        raise wrong(f"there is no table {node.name[:60]!r}; {_TABLES}", node)


def _dotted(node: exp.Table) -> str:
    return ".".join(one.name for one in node.parts)[:60]


def _membership(node: exp.In) -> None:
    """A single name after IN would be read as a table by the engine."""
    inside = node.expressions
    if not node.args.get("query") and not inside:
        raise wrong("IN needs a list or a query in parentheses", node)
    if len(inside) == 1 and not isinstance(inside[0], exp.Literal | exp.Tuple | exp.Neg):
        raise wrong("IN needs values or a query in parentheses; for one value use =", node)


def _common(node: exp.CTE) -> None:
    if node.alias in VIEWS:
        raise wrong(f"WITH cannot give the name {node.alias}, which is a view", node)
    if not node.args.get("scalar") and not isinstance(node.this, exp.Query):
        raise wrong("WITH needs a query in parentheses", node)


def _call(node: exp.Expr) -> None:
    name = node.this
    if not isinstance(name, str) or not _CALL.fullmatch(name) or not allowed(name):
        shown = print_sql(name) if isinstance(name, exp.Expr) else str(name)
        raise wrong(f"the function {shown[:60]} is not allowed", node)
    aggregate = isinstance(node, exp.ParameterizedAgg | exp.CombinedParameterizedAgg)
    for parameter in node.expressions if aggregate else ():
        if not isinstance(parameter, exp.Literal | exp.Neg):
            raise wrong(f"a parameter of {name} must be a number or a text", parameter)


def _kind(node: exp.Expr) -> str:
    return _NAMES.get(type(node), type(node).__name__.upper())
