"""Random histories of rotation: every line arrives once, whenever the agent was killed."""

from __future__ import annotations

import pytest
from rotating import play

FEW = range(45)
MANY = range(1_000, 3_000)


@pytest.mark.parametrize("seeds", [FEW[start : start + 15] for start in range(0, len(FEW), 15)])
def test_no_history_of_rotations_and_kills_loses_or_repeats_a_line(seeds: range) -> None:
    for seed in seeds:
        assert play(seed) == "", f"history {seed}"


@pytest.mark.soak
@pytest.mark.parametrize("seeds", [MANY[start : start + 500] for start in range(0, len(MANY), 500)])
def test_no_history_of_thousands_loses_or_repeats_a_line(seeds: range) -> None:
    for seed in seeds:
        assert play(seed) == "", f"history {seed}"
