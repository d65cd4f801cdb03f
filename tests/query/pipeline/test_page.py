"""docs/pipeline.md names what there is."""

from __future__ import annotations

import re
from pathlib import Path

from tailrace.core import limits
from tailrace.query.pipeline import step
from tailrace.query.pipeline.template.template import FUNCTIONS, SPECIAL

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "pipeline.md").read_text()


def first_cells(heading: str) -> set[str]:
    part = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert part
    return set(re.findall(r"^\| `([^`]+)` \|", part[1], re.MULTILINE))


def test_every_function_of_templates_is_described_and_no_other() -> None:
    assert first_cells("Templates") == {*FUNCTIONS, *SPECIAL}


def test_every_error_is_described_and_no_other() -> None:
    errors = {value for name, value in vars(step).items() if name.endswith("_ERROR")}
    assert first_cells("Errors") == errors


def test_limits_are_told_as_they_are() -> None:
    assert f"{limits.TEMPLATE_ROUNDS:,} (TEMPLATE_ROUNDS)" in PAGE
    assert f"{limits.TEMPLATE_DEPTH} (TEMPLATE_DEPTH)" in PAGE
    assert f"{limits.PIPELINE_JSON_DEPTH} (PIPELINE_JSON_DEPTH)" in PAGE
    assert limits.TEMPLATE_CHARS == 1024 * 1024
    assert limits.TEMPLATE_WORK_CHARS == 16 * 1024 * 1024
