"""The page of templates says what there is."""

from __future__ import annotations

import re
from pathlib import Path

from tailrace.alerts.templating.functions import FUNCTIONS
from tailrace.alerts.templating.template import READING
from tailrace.core import limits

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "alert-templates.md").read_text()


def test_every_function_is_described() -> None:
    named = set(re.findall(r"`(\w+)`", PAGE))
    assert {"and", "or", *FUNCTIONS, *READING} - named == set()


def test_limits_are_told_as_they_are() -> None:
    assert limits.RULE_TEMPLATE_CHARS == limits.ALERT_TEXT_CHARS == 16 * 1024
    assert f"A text has {limits.ALERT_TEMPLATE_S} s" in PAGE
    assert f"{limits.TEMPLATE_ROUNDS:,} rounds of loops" in PAGE
    assert f"evaluation {limits.ALERT_TEMPLATES_S:g} s" in PAGE
    assert f"{limits.TEMPLATE_CALLS} deep" in PAGE
    assert f"up to {limits.ALERT_TEMPLATE_QUERIES} different queries" in PAGE
    assert f"within {limits.ALERT_TEMPLATE_QUERY_S:g} s" in PAGE
    assert f"up to {limits.ALERT_TEMPLATE_SAMPLES:,} samples" in PAGE
