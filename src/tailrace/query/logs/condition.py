"""What SQL knows of a row: true, false, or that it cannot tell.

A stage of LogQL is translated for the rows that are alike, which are nearly all. Of the others, say
a number with an unusual spelling, SQL tells only that it is not sure, and the pipeline looks at
them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


class NotExpressible(Exception):
    """SQL cannot say this; the pipeline must."""


@dataclass(frozen=True)
class Field:
    """A label as SQL: `text` is its value, '' without it.

    Where `unsure` holds, `text` may be wrong; where `respelled` does, `text` is the right number in
    another spelling. Where `blank` does, the label may be there, with '' for its value, which is no
    number. "" for never. `among`: SQL of an array that has an index, in which `text` is unless it
    is ''; "" where there is none.
    """

    text: str
    unsure: str = ""
    respelled: str = ""
    blank: str = ""
    among: str = ""

    @property
    def unsure_text(self) -> str:
        """Where the very characters of `text` may be wrong."""
        return any_of(self.unsure, self.respelled)


@dataclass(frozen=True)
class Condition:
    """Rows pass where `passes` holds, except where `unsure` does: there it is not known."""

    passes: str
    unsure: str = ""

    @property
    def may_pass(self) -> str:
        """True for every row that passes, and perhaps for others."""
        return any_of(self.passes, self.unsure)


def any_of(*conditions: str) -> str:
    """SQL that holds where any of these does; "" when all are ""."""
    return _joined(" OR ", conditions)


def all_of(*conditions: str) -> str:
    """SQL that holds where all of these do; "" when all are ""."""
    return _joined(" AND ", conditions)


def _joined(word: str, conditions: Iterable[str]) -> str:
    found = list(dict.fromkeys(condition for condition in conditions if condition))
    return f"({word.join(found)})" if len(found) > 1 else "".join(found)
