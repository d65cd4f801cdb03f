"""The statement that runs, from a checked tree: views become subqueries, texts parameters."""

from __future__ import annotations

import re

from sqlglot import exp

from tailrace.core.errors import QueryError
from tailrace.query.binder import Binder
from tailrace.query.plan import Statement
from tailrace.query.sql.checker import common_names
from tailrace.query.sql.parser import print_sql, wrong
from tailrace.query.sql.shapes import CALLS
from tailrace.query.sql.views import COLUMN_NAMES, VIEWS, Extent, of_series, subquery
from tailrace.query.times import SECOND_NS

# A name of a WITH query gets this in front: where it is not known, it must not be a table's.
_COMMON = "__with_"
_UNSAFE = re.compile(r"[^A-Za-z0-9_ .,:<>=*%/()+-]")
_NAME_CHARS = 100
# What an aggregate function takes as its parameter must stand in the statement itself.
_PLAIN = re.compile(r"[ !#-&(-\[\]-~]{0,64}")


def statement(tree: exp.Query, extent: Extent) -> Statement:
    """One SELECT over our tables. `tree` was checked, and is changed.

    Raises QueryError for a text in a place where it can be no parameter.
    """
    bind = Binder()
    joined = _joined(tree)
    _name_results(tree)
    _hold_values(tree)
    if extent.now_ns is not None:
        _set_now(tree, max(extent.now_ns, 0), bind)
    views: dict[str, str] = {}
    for node in list(tree.find_all(exp.Table)):
        name = node.name
        if name in set(common_names(node)):
            _rename(node, name)
            continue
        if name not in views:
            views[name] = subquery(name, extent, bind, name in joined)
        node.set("this", exp.Var(this=views[name]))
        _call_it(node, name)
    for common in list(tree.find_all(exp.CTE)):
        if not common.args.get("scalar"):
            common.args["alias"].set("this", _quoted(_COMMON + common.alias))
    _bind_texts(tree, bind)
    sql = print_sql(tree)
    if isinstance(tree, exp.SetOperation | exp.Subquery):
        # Settings after several queries would be those of the last one only.
        sql = f"SELECT * FROM ({sql})"
    return Statement(sql, bind.values)


def _rename(node: exp.Table, name: str) -> None:
    node.set("this", _quoted(_COMMON + name))
    _call_it(node, name)


def _call_it(node: exp.Table, name: str) -> None:
    """Give a table the name that the statement knows it by."""
    if not node.args.get("alias"):
        node.set("alias", exp.TableAlias(this=_quoted(name)))


def _quoted(name: str) -> exp.Identifier:
    return exp.Identifier(this=name, quoted=True)


def _joined(tree: exp.Query) -> set[str]:
    """Views of measurements whose columns of the series may be asked for."""
    names = {column.name for column in tree.find_all(exp.Column, exp.Identifier)}
    # `count(*)` asks for none.
    stars = any(
        not isinstance(star.parent, exp.AnonymousAggFunc) for star in tree.find_all(exp.Star)
    )
    return {view for view in VIEWS if stars or of_series(view) & names}


def _name_results(tree: exp.Query) -> None:
    """What has no name of its own is called as it was written, not as it is rewritten."""
    first: exp.Expr = tree
    while isinstance(first, exp.SetOperation | exp.Subquery):
        first = first.this
    names = {one.alias_or_name for one in first.expressions}
    for one in list(first.expressions):
        if isinstance(one, exp.Alias | exp.Column | exp.Star):
            continue
        name = _UNSAFE.sub("", print_sql(one))[:_NAME_CHARS].strip()
        if name and name not in names:
            names.add(name)
            one.replace(exp.Alias(this=one.copy(), alias=_quoted(name)))


def _hold_values(tree: exp.Query) -> None:
    """A name as an argument is a value. The engine takes it for a function where it knows no value
    of that name, and a name given elsewhere in the statement may be one it does not know here."""
    for node in list(tree.find_all(exp.Column)):
        name = node.name
        if len(node.parts) > 1 or name in COLUMN_NAMES or isinstance(node.this, exp.Star):
            continue
        above, within = node.parent, node.parent
        while isinstance(above, exp.Paren | exp.Alias | exp.Distinct):
            above = above.parent
        if not isinstance(above, CALLS):
            continue
        while within is not None and not _is_parameter_of(within, name):
            within = within.parent
        if within is None:
            node.replace(exp.Anonymous(this="identity", expressions=[node.copy()]))


def _is_parameter_of(node: exp.Expr, name: str) -> bool:
    return isinstance(node, exp.Lambda) and name in {one.name for one in node.expressions}


def _set_now(tree: exp.Query, now_ns: int, bind: Binder) -> None:
    """What tells the present tells `now_ns` instead, each in its own type."""

    # Bound where it is used: the driver takes a statement that has none of its parameters for a
    # template of Python.
    def value(found_ns: int) -> exp.Var:
        return exp.Var(this=bind.integer(found_ns))

    second = now_ns // SECOND_NS
    for node in list(tree.find_all(exp.Anonymous)):
        given = node.expressions
        match node.name.lower():
            case "now":
                told = _call("toDateTime", value(second), *given)
            case "now64":
                known = _call("fromUnixTimestamp64Nano", value(now_ns))
                told = _call("toDateTime64", known, *(given or [exp.Literal.number(3)]))
            case "utctimestamp":
                utc = exp.Literal.string("UTC")
                told = _call("toDateTime", value(second), utc, *given)
            case "today" | "yesterday" as name:
                day = _call("toDate", _call("toDateTime", value(second)), *given)
                back = exp.Literal.number(int(name == "yesterday"))
                told = _call("subtractDays", day, back)
            case _:
                continue
        node.replace(told)


def _call(name: str, *arguments: exp.Expr) -> exp.Anonymous:
    return exp.Anonymous(this=name, expressions=list(arguments))


def _bind_texts(tree: exp.Query, bind: Binder) -> None:
    """Every text becomes a parameter, equal ones the same, so that GROUP BY finds them again."""
    known: dict[str, str] = {}
    for node in list(tree.find_all(exp.Literal)):
        if not node.is_string or isinstance(node.parent, exp.Interval):
            continue
        if node.find_ancestor(exp.DataType):
            continue
        text = node.this
        if _is_parameter(node):
            if not _PLAIN.fullmatch(text):
                raise wrong("this text cannot be the parameter of an aggregate function", node)
            continue
        if "\0" in text:
            raise QueryError("a text in the query has a NUL")
        if text not in known:
            known[text] = bind.text(text)
        node.replace(exp.Var(this=known[text]))


def _is_parameter(node: exp.Literal) -> bool:
    parent = node.parent
    return (
        isinstance(parent, exp.ParameterizedAgg | exp.CombinedParameterizedAgg)
        and node.arg_key == "expressions"
    )
