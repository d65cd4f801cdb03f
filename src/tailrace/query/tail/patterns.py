"""Regular expressions of users, which run in time that grows with the text alone."""

from __future__ import annotations

from typing import Any

import re2

from tailrace.core.errors import QueryError

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False


def compiled(pattern: str, position: int) -> Any:
    """An RE2 expression. Raises QueryError with `position` for one that is none."""
    try:
        return re2.compile(pattern, _OPTIONS)
    except re2.error:
        message = f"the regular expression at character {position + 1} is not valid RE2"
        raise QueryError(message, position) from None
