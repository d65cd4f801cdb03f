"""What a look at a data directory found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

from tailrace.app.config import Config


class Finding(msgspec.Struct, frozen=True):
    """One thing. `level`: "wrong", or "note" for what the next start puts right by itself or a
    person may want to know. `wrong` names it, `means` says what follows for the data, `todo` what
    to do about it. Nothing of it is taken from rows."""

    part: str
    level: Literal["wrong", "note"]
    wrong: str
    means: str
    todo: str


class Place(msgspec.Struct, frozen=True):
    """What is looked at. `data` and `archive` are resolved."""

    data: Path
    archive: Path
    config: Config


Look = Callable[[Place], Iterator[Finding]]


def wrong(part: str, what: str, means: str, todo: str) -> Finding:
    """Something that the next start does not put right."""
    return Finding(part, "wrong", what, means, todo)


def note(part: str, what: str, means: str, todo: str = "nothing") -> Finding:
    """Something that is no fault."""
    return Finding(part, "note", what, means, todo)
