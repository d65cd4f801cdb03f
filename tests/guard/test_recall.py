"""The guard finds what the corpus hides and leaves what it does not: the gate of every change."""

from __future__ import annotations

import pytest
from bench import guard
from bench.corpus import corpus
from bench.corpus.judge import FALSE_PER_10_000, Verdict, goal, judge


@pytest.fixture(scope="module")
def verdict() -> Verdict:
    return judge(corpus.samples(corpus.GATE_ROWS), guard.cleaner())


def shown(verdict: Verdict, what: str) -> str:
    """A few examples; every value in them is invented."""
    found = [text for name, kept in verdict.examples.items() if what in name for text in kept[:3]]
    return "\n".join(found)


@pytest.mark.parametrize("kind", corpus.KINDS)
def test_enough_is_found_of_every_kind(verdict: Verdict, kind: str) -> None:
    assert verdict.total(kind) > 0
    assert verdict.recall(kind) >= goal(kind), shown(verdict, f"missed {kind}")


def test_at_most_one_clean_line_in_ten_thousand_is_changed(verdict: Verdict) -> None:
    assert verdict.false_rate() <= FALSE_PER_10_000, shown(verdict, "false alarm")


def test_every_row_stays_valid_in_its_format(verdict: Verdict) -> None:
    assert verdict.broken == 0, shown(verdict, "broken")
