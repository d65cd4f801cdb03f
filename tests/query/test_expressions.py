"""Patterns that are nothing but texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.query.expressions import alternatives, any_text, compiled

texts = st.text("ab.|\\()[]{}*+?^$-_ \n\u00e9\x00", max_size=4)


@given(st.lists(texts, min_size=1, max_size=4))
def test_a_pattern_for_texts_gives_them_back(found: list[str]) -> None:
    assert alternatives(any_text(found)) == found


@given(st.text("ab.|\\d-", max_size=6), texts)
def test_alternatives_are_what_the_pattern_matches(pattern: str, value: str) -> None:
    if (found := alternatives(pattern)) is not None:
        assert (compiled(f"^(?s:{pattern})$").search(value) is not None) == (value in found)


@pytest.mark.parametrize("pattern", ["a.b", "(a|b)", r"\d", "a?", "^a", "[ab]", "a\\"])
def test_other_patterns_have_none(pattern: str) -> None:
    assert alternatives(pattern) is None
