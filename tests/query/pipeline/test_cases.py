"""The tables of cases, each a row through some stages."""

from __future__ import annotations

import pytest
from tests.query.pipeline import (
    cases_labels,
    cases_lines,
    cases_parsers,
    cases_template,
)
from tests.query.pipeline.case import Case

ALL = [
    *cases_lines.CASES,
    *cases_parsers.CASES,
    *cases_labels.CASES,
    *cases_template.CASES,
]


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.logql[:80])
def test_a_row_becomes_what_the_stages_say(case: Case) -> None:
    case.check()


def test_there_are_enough_cases() -> None:
    assert len(ALL) >= 400
