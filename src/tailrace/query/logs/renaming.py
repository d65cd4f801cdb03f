"""`label_format a=b` as SQL: labels under their new names."""

from __future__ import annotations

from collections.abc import Callable

from tailrace.query.logs.condition import Field, all_of, any_of


def renamed(name: str, target: str, source: str, before: Callable[[str], Field]) -> Field:
    """The label `name` after `source`, where there is one, was renamed to `target`; `before` gives
    labels as they were. Raises NotExpressible, as that does."""
    if name == source:
        return Field("''")
    if name != target:
        return before(name)
    moved, old = before(source), before(target)
    # A label without a text takes the place of another one, too.
    covered = moved.blank and all_of(moved.blank, f"{old.text} != ''")
    return Field(
        old.text if moved.text == "''" else f"if({moved.text} = '', {old.text}, {moved.text})",
        any_of(moved.unsure, old.unsure, covered),
        any_of(moved.respelled, old.respelled),
        any_of(moved.blank, old.blank),
    )
