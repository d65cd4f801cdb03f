"""Line filters as predicates on `Body`.

`LIKE '%needle%'` is the form the engine's token, n-gram and text indexes all understand (measured:
`position()` uses none of them). For a token index the engine itself uses only the needle's inner
tokens, since its first and last may continue in the body; the search itself is a plain substring
search. A needle of one bare word is therefore a scan of the body column under a token index.
"""

from __future__ import annotations

from tailrace.query.binder import Binder
from tailrace.query.logql.ast import LineFilter

_LIKE_ESCAPES = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_"})


def predicate(line: LineFilter, bind: Binder) -> str:
    """SQL that is true for the lines `line` lets pass."""
    if not line.value:
        return "1" if line.op in ("|=", "|~") else "0"
    if line.op in ("|=", "!="):
        pattern = bind.text(f"%{line.value.translate(_LIKE_ESCAPES)}%")
        return f"Body {'LIKE' if line.op == '|=' else 'NOT LIKE'} {pattern}"
    found = f"match(Body, {bind.text(line_regex(line.value))})"
    return found if line.op == "|~" else f"NOT {found}"


def line_regex(pattern: str) -> str:
    """RE2 with LogQL's rule that `.` stops at a newline (the engine's default is that it does
    not). Only set where it matters, since a flag keeps the engine from finding literals."""
    return f"(?-s:{pattern})" if "." in pattern else pattern


def label_regex(pattern: str) -> str:
    """RE2 for a label matcher: the whole value must match."""
    return f"^(?s:{pattern})$"
