"""A small part of JSONPath: which values of a document are meant.

    path = "$" , { "." name | ".*" | "['" name "']" | '["' name '"]' | "[*]" | "[" digits "]" } ;

A name after a dot holds none of `. [ ] * ' "` nor blanks; between brackets it holds all but its own
quote, and nothing is escaped. `*` means every element of an array, or every value of an object.
Source: RFC 9535, of which filters, slices, descendants and negative indexes are left out.
"""

from __future__ import annotations

import re
from typing import Any

from tailrace.core.errors import QueryError

STEPS = 32
_step = re.compile(
    r"\.(?P<name>[^.\[\]*'\"\s]+)|\.(?P<any>\*)|\[(?P<all>\*)\]|\[(?P<index>\d{1,9})\]"
    r"|\['(?P<single>[^']*)'\]|\[\"(?P<double>[^\"]*)\"\]"
)


class Path:
    """A path that was checked. `many`: it may mean more than one value."""

    def __init__(self, text: str) -> None:
        """Raises QueryError with the place of the first character that is not understood."""
        if not text.startswith("$"):
            raise QueryError("a path begins with $", 0)
        self.many = False
        self._steps: list[str | int | None] = []  # a key, an index, or None for all
        position = 1
        while position < len(text):
            found = _step.match(text, position)
            if found is None:
                raise QueryError("expected .name, ['name'], [0] or [*]", position)
            if len(self._steps) == STEPS:
                raise QueryError(f"a path has at most {STEPS} steps", position)
            self._steps.append(_meant(found))
            self.many |= self._steps[-1] is None
            position = found.end()

    def find(self, document: Any) -> list[Any]:
        """The values that are there, in the document's order; none for what is missing."""
        found = [document]
        for step in self._steps:
            found = [value for parent in found for value in _children(parent, step)]
        return found


def _meant(found: re.Match[str]) -> str | int | None:
    if found["any"] or found["all"]:
        return None
    if found["index"]:
        return int(found["index"])
    return next(text for text in found.group("name", "single", "double") if text is not None)


def _children(parent: Any, step: str | int | None) -> list[Any]:
    if isinstance(parent, dict):
        if step is None:
            return list(parent.values())
        return [parent[step]] if step in parent else []
    if isinstance(parent, list):
        if step is None:
            return parent
        return [parent[step]] if isinstance(step, int) and step < len(parent) else []
    return []
