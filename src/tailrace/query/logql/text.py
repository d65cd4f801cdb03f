"""LogQL text of a tree, which parses back to it."""

from __future__ import annotations

from collections.abc import Sequence

from tailrace.query.logql.ast import (
    Binary,
    LabelReplace,
    LogQuery,
    Matcher,
    Metric,
    Number,
    Query,
    RangeAggregation,
    Vector,
    VectorAggregation,
    Weekly,
)
from tailrace.query.logql.duration import duration_text
from tailrace.query.logql.operators import PRECEDENCE
from tailrace.query.logql.operatortext import (
    grouping_text,
    needs_parentheses,
    number_text,
    operator_text,
)
from tailrace.query.logql.stagetext import quote, stage_text, unwrap_text
from tailrace.query.matrix.grouping import Grouping
from tailrace.query.weeks import WEEKS

__all__ = ["pretty", "quote", "text"]
# Longer ones are laid out over several lines.
COLUMNS = 80
_INDENT = "  "
_SORTS = frozenset({"sort", "sort_desc"})


def text(query: Query) -> str:
    """On one line."""
    return " ".join(line.strip() for line in _lines(query, 0, None))


def pretty(query: Query) -> str:
    """On one line where it fits into COLUMNS, else each part on its own, indented."""
    return "\n".join(_lines(query, 0, COLUMNS))


def _lines(query: Query, depth: int, columns: int | None) -> list[str]:
    """The lines of a part; with `columns` as few as fit into them."""
    indent = _INDENT * depth
    flat = indent + _flat(query)
    if columns is None or len(flat) <= columns:
        return [flat]
    match query:
        case LogQuery():
            return [indent + line for line in _log_lines(query)]
        case RangeAggregation():
            before = [f"{query.parameter!r}, "] if query.parameter is not None else []
            inner = [*_log_lines(query.query)]
            if query.unwrap:
                inner.append(_INDENT + unwrap_text(query.unwrap))
            inner[-1] += _window(query)
            inner[0] = "".join(before) + inner[0]
            end = f") {grouping_text(query.grouping)}" if query.grouping else ")"
            body = [indent + _INDENT + line for line in inner]
            return [f"{indent}{query.function}(", *body, indent + end]
        case VectorAggregation():
            head = f"{indent}{query.function}{_by(query)}("
            if query.parameter is not None:
                head += f"{number_text(query.parameter)},"
            return [head, *_lines(query.inner, depth + 1, columns), f"{indent})"]
        case LabelReplace():
            inner = _lines(query.inner, depth + 1, columns)
            inner[-1] += ","
            rest = f"{indent}{_INDENT}{_replace_arguments(query)}"
            return [f"{indent}label_replace(", *inner, rest, f"{indent})"]
        case Weekly():
            inner = _lines(query.inner, depth + 1, columns)
            inner[-1] += _weeks(query)
            return [f"{indent}{query.function}(", *inner, f"{indent})"]
        case Binary():
            left = _operand_lines(query.left, query, depth + 1, columns, on_the_left=True)
            right = _operand_lines(query.right, query, depth + 1, columns, on_the_left=False)
            return [*left, f"{indent}{_operator(query)}", *right]
        case _:
            return [flat]


def _operand_lines(
    side: Metric, parent: Binary, depth: int, columns: int | None, on_the_left: bool
) -> list[str]:
    lines = _lines(side, depth, columns)
    if not _needs_parentheses(side, parent, on_the_left):
        return lines
    indent = _INDENT * depth
    if len(lines) == 1:
        return [f"{indent}({lines[0].strip()})"]
    return [f"{indent}(", *lines, f"{indent})"]


def _flat(query: Query) -> str:
    match query:
        case LogQuery():
            return " ".join(line.strip() for line in _log_lines(query))
        case RangeAggregation():
            parameter = f"{query.parameter!r}, " if query.parameter is not None else ""
            unwrap = f" {unwrap_text(query.unwrap)}" if query.unwrap else ""
            inner = f"{parameter}{_flat(query.query)}{unwrap}{_window(query)}"
            after = f" {grouping_text(query.grouping)}" if query.grouping else ""
            return f"{query.function}({inner}){after}"
        case VectorAggregation():
            number = "" if query.parameter is None else f"{number_text(query.parameter)}, "
            return f"{query.function}{_by(query)}({number}{_flat(query.inner)})"
        case LabelReplace():
            return f"label_replace({_flat(query.inner)}, {_replace_arguments(query)})"
        case Weekly():
            return f"{query.function}({_flat(query.inner)}{_weeks(query)})"
        case Number():
            return number_text(query.value)
        case Vector():
            return f"vector({number_text(query.value)})"
        case Binary():
            left = _flat_operand(query.left, query, on_the_left=True)
            right = _flat_operand(query.right, query, on_the_left=False)
            return f"{left} {_operator(query)} {right}"


def _flat_operand(side: Metric, parent: Binary, on_the_left: bool) -> str:
    found = _flat(side)
    return f"({found})" if _needs_parentheses(side, parent, on_the_left) else found


def _needs_parentheses(side: Metric, parent: Binary, on_the_left: bool) -> bool:
    if not isinstance(side, Binary):
        return False
    own, outer = PRECEDENCE[side.op], PRECEDENCE[parent.op]
    return needs_parentheses(own, outer, on_the_left, from_the_right=parent.op == "^")


def _operator(query: Binary) -> str:
    return operator_text(query.op, query.returns_bool, query.matching)


def _log_lines(query: LogQuery) -> list[str]:
    """The selector and each stage."""
    return [_selector(query.matchers), *(_INDENT + stage_text(one) for one in query.stages)]


def _selector(matchers: Sequence[Matcher]) -> str:
    return f"{{{', '.join(f'{m.name}{m.op}{quote(m.value)}' for m in matchers)}}}"


def _window(query: RangeAggregation) -> str:
    offset = f" offset {duration_text(query.offset_ns)}" if query.offset_ns else ""
    return f" [{duration_text(query.range_ns)}]{offset}"


def _by(query: VectorAggregation) -> str:
    if query.function in _SORTS or query.grouping == Grouping(False, ()):
        return ""
    return f" {grouping_text(query.grouping)} "


def _weeks(query: Weekly) -> str:
    return "" if query.weeks == WEEKS else f", {query.weeks}"


def _replace_arguments(query: LabelReplace) -> str:
    parts = (query.destination, query.replacement, query.source, query.pattern)
    return ", ".join(map(quote, parts))
