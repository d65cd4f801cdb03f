"""Regular expressions of a query, in the syntax of RE2."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import re2

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
# A program of this size takes more than a query should; RE2's own bound is the same.
_OPTIONS.max_mem = 8 << 20


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
