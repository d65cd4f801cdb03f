"""Every detector holds to the examples in its own table, alone and among all."""

from __future__ import annotations

import pytest

from tailrace.guard.catalogue import CATALOGUE
from tailrace.guard.detectors.detector import Detector
from tailrace.guard.finder import Finder
from tailrace.guard.kinds import KINDS

ALL = Finder(CATALOGUE)


def kinds(finder: Finder, row: bytes) -> set[str]:
    return {hit.kind for hit in finder.find(row + b"\n")}


def matches() -> list[tuple[Detector, bytes]]:
    return [(detector, row) for detector in CATALOGUE for row in detector.matches]


def traps() -> list[tuple[Detector, bytes]]:
    return [(detector, row) for detector in CATALOGUE for row in detector.traps]


@pytest.mark.parametrize(("detector", "row"), matches(), ids=lambda one: getattr(one, "name", None))
def test_a_detector_finds_what_it_says(detector: Detector, row: bytes) -> None:
    assert detector.kind in kinds(Finder([detector]), row)
    assert detector.kind in kinds(ALL, row)


@pytest.mark.parametrize(("detector", "row"), traps(), ids=lambda one: getattr(one, "name", None))
def test_a_detector_leaves_its_traps(detector: Detector, row: bytes) -> None:
    assert detector.kind not in kinds(Finder([detector]), row)


@pytest.mark.parametrize("detector", CATALOGUE, ids=lambda one: one.name)
def test_a_detector_has_examples_and_traps(detector: Detector) -> None:
    assert detector.matches and detector.traps
    assert detector.candidates or detector.cased
    assert detector.kind in KINDS


def test_every_kind_but_names_has_a_detector() -> None:
    """Names have no form: field rules find them."""
    assert {detector.kind for detector in CATALOGUE} == set(KINDS) - {"name"}
