"""Text of operators, groupings and numbers, as LogQL and PromQL share it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from tailrace.query.logql.stagetext import quote
from tailrace.query.matrix.grouping import Grouping, Matching

_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def label_text(name: str) -> str:
    """A name, in quotes where it must be."""
    return name if _LABEL.fullmatch(name) else quote(name)


def grouping_text(grouping: Grouping) -> str:
    return f"{'without' if grouping.without else 'by'} ({_listed(grouping.labels)})"


def operator_text(op: str, returns_bool: bool, matching: Matching) -> str:
    """What stands between two operands."""
    found = op + (" bool" if returns_bool else "")
    if matching.on or matching.labels or matching.group:
        found += f" {'on' if matching.on else 'ignoring'} ({_listed(matching.labels)})"
    if matching.group:
        found += f" group_{matching.group} ({_listed(matching.include)})"
    return found


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(label_text, names))


def needs_parentheses(own: int, outer: int, on_the_left: bool, from_the_right: bool) -> bool:
    """Of an operand that is itself of an operator: `own` and `outer` are the precedence of its
    operator and of the one around it, which may bind `from_the_right`."""
    return own < outer if own != outer else on_the_left == from_the_right


def number_text(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 and value else repr(value)
