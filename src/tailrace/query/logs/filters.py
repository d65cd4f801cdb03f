"""Filters of lines and of labels as SQL."""

from __future__ import annotations

from collections.abc import Callable

from tailrace.query.binder import Binder
from tailrace.query.expressions import alternatives
from tailrace.query.logql.ast import AllOf, AnyOf, Comparison, LineFilter, Stage
from tailrace.query.logql.ast import Condition as Tree
from tailrace.query.logs.condition import Condition, Field, NotExpressible, all_of, any_of
from tailrace.query.logs.patterns import follows
from tailrace.query.logs.typed import typed
from tailrace.query.needle import contains, label_regex, line_regex

ERROR = "__error__"
_OPERATORS = frozenset({"==", "!=", ">", ">=", "<", "<="})


def line_filter(line: LineFilter, bind: Binder) -> Condition:
    """Lines that `line` lets pass. Raises NotExpressible."""
    if any(needle.ip for needle in line.needles):
        raise NotExpressible("ip")
    negative = line.op.startswith("!")
    texts = [needle.value for needle in line.needles]
    if ">" in line.op:
        found = any_of(*(follows(text, line.position, bind) for text in texts))
        return Condition(f"NOT {found}" if negative else found)
    if not all(texts):
        return Condition("0" if negative else "1")
    if "~" in line.op:
        tests = [f"match(Body, {bind.text(line_regex(text))})" for text in texts]
    else:
        tests = [contains(text, bind) for text in texts]
    found = any_of(*tests)
    return Condition(f"NOT {found}" if negative else found)


def is_exact(stage: Stage) -> bool:
    """Whether a stage is a line filter that SQL says exactly; what follows the first that is not
    must not be said of the row as it is stored, since the line may be another one by then."""
    return (
        isinstance(stage, LineFilter)
        and stage.op in ("|=", "!=", "|~", "!~")
        and not any(needle.ip for needle in stage.needles)
    )


def label_filter(
    tree: Tree, field: Callable[[str], Field], error: Callable[[], str], bind: Binder
) -> Condition:
    """Rows that a label filter lets pass; `error`: SQL that holds where the row has one, or "";
    asked after the label, which it may use.

    Raises NotExpressible.
    """
    if isinstance(tree, Comparison):
        return _comparison(tree, field, error, bind)
    left, right = (label_filter(side, field, error, bind) for side in (tree.left, tree.right))
    join = {AllOf: all_of, AnyOf: any_of}[type(tree)]
    return Condition(join(left.passes, right.passes), any_of(left.unsure, right.unsure))


def _comparison(
    tree: Comparison, field: Callable[[str], Field], error: Callable[[], str], bind: Binder
) -> Condition:
    if tree.name == ERROR:
        return _error(tree, error())
    if tree.kind == "ip" or tree.name.startswith("__"):
        raise NotExpressible(tree.kind)
    found = field(tree.name)
    if tree.kind == "string":
        test = text_test(found.text, tree.op, str(tree.value), bind)
        return Condition(all_of(_indexed(found, tree, bind), test), found.unsure_text)
    assert tree.op in _OPERATORS
    number = typed(found.text, tree.kind)
    # A row without the label does not pass; one that has an error already does.
    test = all_of(number.readable, f"{number.value} {tree.op} {bind.number(float(tree.value))}")
    unread = all_of(f"{found.text} != ''", f"NOT {number.readable}")
    return Condition(any_of(test, error()), any_of(found.unsure, found.blank, unread))


def _indexed(found: Field, tree: Comparison, bind: Binder) -> str:
    """What the index of an array can answer of a test of equality; "" for nothing."""
    if not found.among or tree.op not in ("=", "=~"):
        return ""
    value = str(tree.value)
    texts = [value] if tree.op == "=" else alternatives(value)
    return f"hasAny({found.among}, {bind.texts(texts)})" if texts and all(texts) else ""


def _error(tree: Comparison, error: str) -> Condition:
    """Only whether there is one: its name is for the pipeline."""
    if tree.kind != "string" or tree.value != "" or tree.op not in ("=", "!="):
        raise NotExpressible(ERROR)
    if tree.op == "=":
        return Condition(f"NOT {error}" if error else "1")
    return Condition(error or "0")


def text_test(text: str, op: str, value: str, bind: Binder) -> str:
    """SQL for `text op value`; `op` is one of = != =~ !~."""
    if op in ("=", "!="):
        return f"{text} {op} {bind.text(value)}"
    if (texts := alternatives(value)) is not None:
        return f"{text} {'IN' if op == '=~' else 'NOT IN'} {bind.texts(texts)}"
    if value in (".+", "(?s).+"):
        return f"{text} {'!=' if op == '=~' else '='} ''"
    found = f"match({text}, {bind.text(label_regex(value))})"
    return found if op == "=~" else f"NOT {found}"
