"""The tables of cases, each a row through some stages."""

from __future__ import annotations

import dataclasses
import re

import pytest
from tests.query.pipeline import (
    cases_labels,
    cases_lines,
    cases_parsers,
    cases_template,
)
from tests.query.pipeline.case import Case

from tailrace.query.logql.lexer import tokens
from tailrace.query.logql.parser import parse_log

ALL = [
    *cases_lines.CASES,
    *cases_parsers.CASES,
    *cases_labels.CASES,
    *cases_template.CASES,
]


QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"|`[^`]*`')


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.logql[:80])
def test_a_row_becomes_what_the_stages_say(case: Case) -> None:
    case.check()


def strings(tree: object) -> set[str]:
    """Every text in a tree."""
    if isinstance(tree, str):
        return {tree}
    if isinstance(tree, tuple):
        return {text for part in tree for text in strings(part)}
    if dataclasses.is_dataclass(tree):
        return strings(tuple(getattr(tree, field.name) for field in dataclasses.fields(tree)))
    return set()


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.logql[:80])
def test_the_text_of_a_case_is_its_tree(case: Case) -> None:
    assert parse_log(f'{{app="shop"}} {case.logql}').stages == tuple(case.stages)


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.logql[:80])
def test_the_text_of_a_case_holds_what_its_tree_holds(case: Case) -> None:
    written = {tokens(quoted)[0].text for quoted in QUOTED.findall(case.logql)}
    assert written <= strings(case.stages)


def test_there_are_enough_cases() -> None:
    assert len(ALL) >= 400
