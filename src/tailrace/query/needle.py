"""Line filters as predicates on `Body`.

`LIKE '%needle%'` is the form that the engine's indexes understand (measured: `position()` uses
none of them). The index of five-letter grams serves any needle of five characters or more, whole
word or not; a shorter one is a scan of the body column.
"""

from __future__ import annotations

from tailrace.query.binder import Binder
from tailrace.query.logql.ast import LineFilter

_LIKE_ESCAPES = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_"})


def predicate(line: LineFilter, bind: Binder) -> str:
    """SQL that is true for the lines `line` lets pass."""
    value = line.needles[0].value
    if not value:
        return "1" if line.op in ("|=", "|~") else "0"
    if line.op in ("|=", "!="):
        pattern = bind.text(f"%{value.translate(_LIKE_ESCAPES)}%")
        return f"Body {'LIKE' if line.op == '|=' else 'NOT LIKE'} {pattern}"
    found = f"match(Body, {bind.text(line_regex(value))})"
    return found if line.op == "|~" else f"NOT {found}"


def line_regex(pattern: str) -> str:
    """RE2 with LogQL's rule that `.` stops at a newline (the engine's default is that it does
    not). Only set where it matters, since a flag keeps the engine from finding literals."""
    return f"(?-s:{pattern})" if "." in pattern else pattern


def label_regex(pattern: str) -> str:
    """RE2 for a label matcher: the whole value must match."""
    return f"^(?s:{pattern})$"
