"""The corpus: half of its lines hold values, half hold none; the same for the same seed."""

from __future__ import annotations

from collections.abc import Iterator

from bench.corpus import carriers, hidden, jsontree, ordinary, recordlines, textlines, traps
from bench.corpus.chance import Chance, Weighted
from bench.corpus.sample import Sample, line, record

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
        yield labelled_line(labelled) if number % 2 == 0 else _clean(clean)


def named(rows: int, seed: str = SEED) -> Iterator[Sample]:
    """Lines with a name under `customer.name`: found by a rule for that field, or not at all."""
    chance = Chance(f"{seed} named")
    return (_named(chance) for _ in range(rows))


def labelled_line(chance: Chance) -> Sample:
    """A line that holds something."""
    table = carriers.CARRIERS if chance.odds(0.5) else recordlines.CARRIERS
    return chance.weighted(table)(chance, chance.weighted(_KINDS))


def _named(chance: Chance) -> Sample:
    found = hidden.named(chance)
    how = jsontree.style(chance)
    whole = recordlines.canonical(chance, "order placed")
    point = chance.below(4)
    if point == 0:
        _, around = chance.weighted(textlines.AROUND)
        text = found.value.within(f'{found.key}="', '" total=12.90')
        return line(around(chance, text), "text: name")
    if point == 1:
        whole["attributes"] = recordlines.attributes(chance) | {found.key: found.value}
        return record(jsontree.written(whole, how), "record: name")
    if point == 2:
        whole["attributes"] = {"customer": {"name": found.value, "id": chance.below(10**6)}}
        return record(jsontree.written(whole, how), "record: name, nested")
    tree = {"level": "info", "msg": "order placed", "customer": {"name": found.value}}
    return record(jsontree.written(tree, how), "foreign: name, nested", foreign=True)


def _clean(chance: Chance) -> Sample:
    point = chance.random()
    if point < 0.02:
        return traps.disputed(chance)
    table = traps.CARRIERS if point < 0.6 else ordinary.CARRIERS
    return chance.weighted(table)(chance)
