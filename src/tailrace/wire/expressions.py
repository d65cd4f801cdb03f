"""Regular expressions that a person wrote, checked before they meet a line."""

from __future__ import annotations

import importlib
import re
from typing import Any

_LENGTH = 1_000
_NEWLINE = ord("\n")
_LITTLE = 16  # repeats of a repeat that stay quick


def compiled(expression: str) -> re.Pattern[bytes]:
    """The expression over bytes of UTF-8. Raises ValueError that says what is wrong.

    An unbounded repeat inside an unbounded repeat is refused: on some lines Python's engine would
    try every way to share the text between the two.
    """
    if len(expression) > _LENGTH:
        raise ValueError(f"the expression is longer than {_LENGTH} characters")
    try:
        found = re.compile(expression.encode())
        tree = _parsed(expression.encode())
    except (re.error, RecursionError, OverflowError, UnicodeEncodeError) as error:
        raise ValueError(f"the expression is wrong: {error}") from error
    if _repeats_repeat(tree, False):
        raise ValueError("the expression repeats a repeat, as (a+)+ does; write it without")
    return found


def stays_in_line(found: re.Pattern[bytes]) -> bool:
    """Whether it is sure that the expression never looks at a newline or behind one."""
    if found.flags:
        return False
    return all(map(_stays, _parsed(found.pattern)))


def _parsed(expression: bytes) -> Any:
    """By the parser of `re`, the one that cannot disagree with it; it is not a public name."""
    return importlib.import_module("re._parser").parse(expression)


def _stays(part: tuple[Any, Any]) -> bool:
    kind, value = str(part[0]), part[1]
    if kind == "LITERAL":
        return bool(value != _NEWLINE)
    if kind == "RANGE":
        return not value[0] <= _NEWLINE <= value[1]
    if kind == "CATEGORY":
        return str(value) in ("CATEGORY_DIGIT", "CATEGORY_WORD", "CATEGORY_NOT_SPACE")
    if kind == "IN":
        return all(map(_stays, value))
    if kind in ("MAX_REPEAT", "MIN_REPEAT"):
        return all(map(_stays, value[2]))
    if kind == "SUBPATTERN":
        return not value[1] and all(map(_stays, value[3]))
    if kind == "BRANCH":
        return all(_stays(one) for branch in value[1] for one in branch)
    return kind == "ANY" or (kind == "AT" and str(value) == "AT_BEGINNING")


def _repeats_repeat(part: Any, repeated: bool) -> bool:
    """Whether a part of the parsed expression, within a repeat or not, holds such a repeat."""
    if isinstance(part, tuple) and len(part) == 2 and str(part[0]).endswith("_REPEAT"):
        unbounded = part[1][1] > _LITTLE
        return (repeated and unbounded) or _repeats_repeat(part[1][2], repeated or unbounded)
    if isinstance(part, list | tuple) or hasattr(part, "data"):
        return any(_repeats_repeat(one, repeated) for one in getattr(part, "data", part))
    return False
