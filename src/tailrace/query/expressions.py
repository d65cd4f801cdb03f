"""Regular expressions of a query, in the syntax of RE2."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import re2

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
# A program of this size takes more than a query should; RE2's own bound is the same.
_OPTIONS.max_mem = 8 << 20
# A character that means itself, one that was made to, or the bar between alternatives.
_MEANS_MORE = re.compile(r"[\\.+*?()|\[\]{}^$]")
_PLAIN = re.compile(r"\\([!-/:-@\[-`{-~])|([^\\.+*?()|\[\]{}^$])|(\|)")


@lru_cache(256)
def compiled(pattern: str | bytes) -> Any:
    """An RE2 object over texts, or over the bytes of UTF-8. Raises ValueError with RE2's words."""
    try:
        return re2.compile(pattern, _OPTIONS)
    except re2.error as error:
        said = error.args[0] if error.args else error
        text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        raise ValueError(text) from None


def matches_empty(pattern: str) -> bool:
    """Whether a pattern that must match a whole value matches the empty one."""
    return compiled(f"^(?s:{pattern})$").search("") is not None


def alternatives(pattern: str) -> list[str] | None:
    """The texts of a pattern that is nothing but texts: `a|b\\.c` is `a` or `b.c`; else None."""
    found, end = [""], 0
    for one in _PLAIN.finditer(pattern):
        if one.start() != end:
            return None
        end = one.end()
        if one[3]:
            found.append("")
        else:
            found[-1] += one[1] or one[2]
    return found if end == len(pattern) else None


def any_text(texts: Iterable[str]) -> str:
    """A pattern that matches each of these and nothing else; `alternatives` gives them back."""
    return "|".join(_MEANS_MORE.sub(r"\\\g<0>", text) for text in texts)
