"""The corpus: half of its lines hold values, half hold none; the same for the same seed."""

from __future__ import annotations

from collections.abc import Iterator

from bench.corpus import carriers, ordinary, recordlines, traps
from bench.corpus.chance import Chance, Weighted
from bench.corpus.sample import Sample

SEED = "tailrace guard 1"
FULL_ROWS = 200_000
# For every run of the tests.
GATE_ROWS = 60_000
_KINDS = Weighted(
    (
        ("pan", 30), ("ssn", 15), ("email", 12), ("secret", 11), ("phone", 8), ("iban", 6),
        ("api_key", 4), ("itin", 3), ("jwt", 3), ("dob", 3), ("cvv", 3), ("track", 1.5),
        ("pin", 1), ("private_key", 0.7),
    )
)  # fmt: skip
KINDS = tuple(_KINDS.items)


def samples(rows: int = FULL_ROWS, seed: str = SEED) -> Iterator[Sample]:
    """`rows` lines, labelled and clean in turn."""
    labelled, clean = Chance(f"{seed} labelled"), Chance(f"{seed} clean")
    for number in range(rows):
        yield _labelled(labelled) if number % 2 == 0 else _clean(clean)


def labelled(rows: int, seed: str) -> Iterator[Sample]:
    """Only lines that hold something."""
    chance = Chance(f"{seed} labelled")
    return (_labelled(chance) for _ in range(rows))


def ordinary_lines(rows: int, seed: str) -> Iterator[Sample]:
    """Only what applications log all day."""
    chance = Chance(f"{seed} ordinary")
    return (chance.weighted(ordinary.CARRIERS)(chance) for _ in range(rows))


def _labelled(chance: Chance) -> Sample:
    table = carriers.CARRIERS if chance.odds(0.5) else recordlines.CARRIERS
    return chance.weighted(table)(chance, chance.weighted(_KINDS))


def _clean(chance: Chance) -> Sample:
    point = chance.random()
    if point < 0.02:
        return traps.disputed(chance)
    table = traps.CARRIERS if point < 0.6 else ordinary.CARRIERS
    return chance.weighted(table)(chance)
