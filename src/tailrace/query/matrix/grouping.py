"""How series are put together: by which labels they are grouped, and matched with others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Grouping:
    """`by` or `without` and its labels."""

    without: bool
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Matching:
    """`on` or `ignoring` its labels; `group`: the side with many, whose labels stay, and `include`
    those that it takes from the other side."""

    on: bool = False
    labels: tuple[str, ...] = ()
    group: Literal["", "left", "right"] = ""
    include: tuple[str, ...] = ()


# Series meet where all their labels are equal.
EQUAL_LABELS = Matching()
