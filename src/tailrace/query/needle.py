"""Needles and regular expressions as predicates of SQL.

`LIKE '%needle%'` is the form that the engine's indexes understand (measured: `position()` uses
none of them). The index of five-letter grams serves any needle of five characters or more, whole
word or not; a shorter one is a scan of the body column.
"""

from __future__ import annotations

from collections.abc import Sequence

from tailrace.query.binder import Binder

_LIKE_ESCAPES = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_"})


def contains(needle: str, bind: Binder) -> str:
    """SQL that is true for lines with `needle` in them."""
    return f"Body LIKE {bind.text(f'%{needle.translate(_LIKE_ESCAPES)}%')}"


def in_order(literals: Sequence[str], bind: Binder) -> str:
    """SQL that is true for lines that begin with the first literal, end with the last one, and
    have the others between them, in their order and perhaps with something around each."""
    escaped = (literal.translate(_LIKE_ESCAPES) for literal in literals)
    return f"Body LIKE {bind.text('%'.join(escaped))}"


def line_regex(pattern: str) -> str:
    """RE2 with LogQL's rule that `.` stops at a newline (the engine's default is that it does
    not). Only set where it matters, since a flag keeps the engine from finding literals."""
    return f"(?-s:{pattern})" if "." in pattern else pattern


def label_regex(pattern: str) -> str:
    """RE2 for a label matcher: the whole value must match."""
    return f"^(?s:{pattern})$"
