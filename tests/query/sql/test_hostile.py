"""Ways out of the views: each is refused with 400, and no row of another tenant is seen."""

from __future__ import annotations

from typing import Any

import pytest
from sql_hostile import CONTAINED, MARKER, ORACLES, REFUSED

from tailrace.query.sql.functions import allowed


def test_there_are_many_of_them() -> None:
    assert len(set(REFUSED)) == len(REFUSED) > 300


@pytest.mark.parametrize("query", REFUSED)
def test_a_way_out_is_refused_with_its_reason(asker: Any, query: str) -> None:
    answer = asker.ask(query)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]
    assert MARKER not in answer.text


@pytest.mark.parametrize("query", CONTAINED)
def test_what_is_answered_has_only_rows_of_the_tenant(asker: Any, query: str) -> None:
    answer = asker.ask(query.replace("{other}", "t1"), format="ndjson")
    assert answer.status_code == 200, answer.text
    assert answer.text
    assert MARKER not in answer.text


@pytest.mark.parametrize("query", ORACLES)
def test_no_condition_is_looked_at_for_rows_of_others(asker: Any, query: str) -> None:
    answer = asker.ask(query)
    assert answer.status_code == 200, answer.text


def test_functions_that_reach_out_are_not_allowed_in_any_spelling() -> None:
    for name in ("file", "FILE", "File", "dictGet", "DICTGET", "hostname", "fileIf", "sleepIf"):
        assert not allowed(name)
    for name in (
        "count",
        "COUNT",
        "countIf",
        "sumMapIf",
        "quantileTDigestArrayIf",
        "lower",
        "LOWER",
    ):
        assert allowed(name)
    assert not allowed("if" * 40 + "x")
