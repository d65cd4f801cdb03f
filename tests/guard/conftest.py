"""Scanners are compiled once for each set of expressions: a tenth of a second of each cleaner."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

import pytest

from tailrace.guard import finder
from tailrace.guard.scan import Candidate, Scanner


@cache
def compiled(candidates: tuple[Candidate, ...]) -> Scanner:
    return Scanner(candidates)


def scanner(candidates: Sequence[Candidate]) -> Scanner:
    """It has no state but its expressions, so cleaners may share it."""
    return compiled(tuple(candidates))


@pytest.fixture(autouse=True, scope="session")
def _shared_scanners() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finder, "Scanner", scanner)
        yield
