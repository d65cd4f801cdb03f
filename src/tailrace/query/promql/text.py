"""PromQL text of a tree, which parses back to it."""

from __future__ import annotations

import math
import re

from tailrace.query.logql.ast import Matcher
from tailrace.query.logql.duration import UNITS_NS
from tailrace.query.logql.operatortext import (
    grouping_text,
    label_text,
    needs_parentheses,
    number_text,
    operator_text,
)
from tailrace.query.logql.stagetext import quote
from tailrace.query.matrix.grouping import Grouping
from tailrace.query.promql.ast import (
    NAME,
    Aggregation,
    At,
    Binary,
    Call,
    Expression,
    Negative,
    Number,
    Selector,
    Subquery,
    Text,
    Window,
)
from tailrace.query.promql.parser import PRECEDENCE
from tailrace.query.promql.tokens import MS

# Longer ones are laid out over several lines.
COLUMNS = 80
_INDENT = "  "
_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
# Words that would be read as something else where a metric may stand.
_WORDS = frozenset({"bool", "on", "ignoring", "group_left", "group_right", "atan2", "inf", "nan"})
_UNITS = ("y", "w", "d", "h", "m", "s", "ms")


def text(tree: Expression) -> str:
    """On one line."""
    match tree:
        case Number():
            return number_text(tree.value)
        case Text():
            return quote(tree.value)
        case Selector():
            return _selector(tree, "")
        case Window():
            return _selector(tree.selector, f"[{_duration(tree.range_ns)}]")
        case Subquery():
            inner = text(tree.inner)
            inner = f"({inner})" if isinstance(tree.inner, Binary | Negative) else inner
            return inner + _subquery(tree)
        case Call():
            return f"{tree.function}({', '.join(map(text, tree.arguments))})"
        case Aggregation():
            before = "" if tree.parameter is None else f"{text(tree.parameter)}, "
            return f"{tree.function}{_by(tree.grouping)}({before}{text(tree.inner)})"
        case Negative():
            binds = isinstance(tree.inner, Binary) and tree.inner.op != "^"
            return f"-({text(tree.inner)})" if binds else f"-{text(tree.inner)}"
        case Binary():
            left, right = (_operand(side, tree) for side in ("left", "right"))
            return f"{left} {_operator(tree)} {right}"


def pretty(tree: Expression) -> str:
    """On one line where it fits into COLUMNS, else each part on its own, indented."""
    return "\n".join(_lines(tree, 0))


def _lines(tree: Expression, depth: int) -> list[str]:
    indent = _INDENT * depth
    flat = indent + text(tree)
    if len(flat) <= COLUMNS:
        return [flat]
    match tree:
        case Aggregation():
            inner = [] if tree.parameter is None else [tree.parameter]
            head = f"{indent}{tree.function}{_by(tree.grouping)}("
            return [head, *_listed([*inner, tree.inner], depth + 1), f"{indent})"]
        case Call() if tree.arguments:
            return [f"{indent}{tree.function}(", *_listed(tree.arguments, depth + 1), f"{indent})"]
        case Subquery():
            return [f"{indent}(", *_lines(tree.inner, depth + 1), f"{indent}){_subquery(tree)}"]
        case Binary():
            left = _side_lines(tree, "left", depth + 1)
            right = _side_lines(tree, "right", depth + 1)
            return [*left, f"{indent}{_operator(tree)}", *right]
        case _:
            return [flat]


def _listed(parts: list[Expression] | tuple[Expression, ...], depth: int) -> list[str]:
    found: list[str] = []
    for part in parts:
        if found:
            found[-1] += ","
        found += _lines(part, depth)
    return found


def _side_lines(parent: Binary, side: str, depth: int) -> list[str]:
    operand = parent.left if side == "left" else parent.right
    if not _needs_parentheses(operand, parent, side == "left"):
        return _lines(operand, depth)
    indent = _INDENT * depth
    return [f"{indent}(", *_lines(operand, depth + 1), f"{indent})"]


def _operand(side: str, parent: Binary) -> str:
    operand = parent.left if side == "left" else parent.right
    found = text(operand)
    return f"({found})" if _needs_parentheses(operand, parent, side == "left") else found


def _needs_parentheses(side: Expression, parent: Binary, on_the_left: bool) -> bool:
    if isinstance(side, Negative) or (isinstance(side, Number) and _signed(side.value)):
        # A sign binds as a product does.
        return on_the_left and parent.op == "^"
    if not isinstance(side, Binary):
        return False
    own, outer = PRECEDENCE[side.op], PRECEDENCE[parent.op]
    return needs_parentheses(own, outer, on_the_left, from_the_right=parent.op == "^")


def _signed(value: float) -> bool:
    """Whether a number is written with a minus."""
    return math.copysign(1.0, value) < 0 and not math.isnan(value)


def _operator(tree: Binary) -> str:
    return operator_text(tree.op, tree.returns_bool, tree.matching)


def _by(grouping: Grouping) -> str:
    return f" {grouping_text(grouping)} " if grouping.without or grouping.labels else ""


def _selector(tree: Selector, window: str) -> str:
    matchers = list(tree.matchers)
    named = [m for m in matchers if m.name == NAME and m.op == "="]
    head = ""
    if (
        named
        and not tree.quoted
        and _METRIC.fullmatch(named[0].value)
        and named[0].value.lower() not in _WORDS
    ):
        head = named[0].value
        matchers.remove(named[0])
    inner = ", ".join(_quoted(one) if tree.quoted else _matcher(one) for one in matchers)
    braces = f"{{{inner}}}" if inner or not head else ""
    return f"{head}{braces}{window}{_moved(tree.offset_ns, tree.at)}"


def _matcher(matcher: Matcher) -> str:
    return f"{label_text(matcher.name)}{matcher.op}{quote(matcher.value)}"


def _quoted(matcher: Matcher) -> str:
    if (matcher.name, matcher.op) == (NAME, "="):
        return quote(matcher.value)
    return f"{quote(matcher.name)}{matcher.op}{quote(matcher.value)}"


def _subquery(tree: Subquery) -> str:
    step = _duration(tree.step_ns) if tree.step_ns else ""
    return f"[{_duration(tree.range_ns)}:{step}]{_moved(tree.offset_ns, tree.at)}"


def _moved(offset_ns: int, at: At) -> str:
    found = ""
    if isinstance(at, str):
        found = f" @ {at}()"
    elif at is not None:
        sign, whole = ("-" if at < 0 else ""), abs(at) // MS
        found = f" @ {sign}{whole // 1000}.{whole % 1000:03d}"
    if offset_ns:
        found += f" offset {'-' if offset_ns < 0 else ''}{_duration(abs(offset_ns))}"
    return found


def _duration(nanoseconds: int) -> str:
    """In several units, as Prometheus writes it; LogQL's is the shortest of one unit."""
    left, found = nanoseconds, ""
    for unit in _UNITS:
        count, left = divmod(left, UNITS_NS[unit])
        found += f"{count}{unit}" if count else ""
    return found
