"""Texts of our own hold nothing that the guard would take out of others'."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.guard.cleaner import Cleaner
from tailrace.guard.scrub import Scrubber
from tailrace.guard.settings import Rule

from .cleaning import USUAL, acting, cleaner
from .samples import CARD, JWT

SCRUBBER = Scrubber(lambda: USUAL)


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("card 4111111111111111 refused", "card [redacted:pan] refused"),
        ("to jane@example.com\nand bob@example.com", "to [redacted:email]\nand [redacted:email]"),
        ("4111 1111\n1111 1111", "[redacted:pan]"),
        ("password=hunter2 x", "password=[redacted:secret] x"),
        ('{"card":4111111111111111}', '{"card":"[redacted:pan]"}'),
        ("token=" + JWT.decode(), "token=[redacted:jwt]"),
        ("é jane@example.com ü", "é [redacted:email] ü"),
        ("a\r\njane@example.com\r\n", "a\r\n[redacted:email]\r\n"),
    ],
)
def test_what_is_found_is_redacted_and_the_rest_stays(text: str, after: str) -> None:
    assert SCRUBBER.scrub(text) == after


@pytest.mark.parametrize("text", ["", "\n", "nothing to see", "a\nb\n", "\udc80 odd", "\x1e"])
def test_a_text_without_a_find_is_the_same_object(text: str) -> None:
    assert SCRUBBER.scrub(text) is text


@pytest.mark.parametrize(
    "by",
    [
        acting("pan", "alert_only"),
        acting("pan", "drop_row"),
        cleaner(rules=[Rule("pan", "mask"), Rule("pan", "redact")]),
    ],
    ids=["alert_only", "drop_row", "mask"],
)
def test_it_redacts_whatever_the_rules_say(by: Cleaner) -> None:
    assert Scrubber(lambda: by).scrub(f"card {CARD.decode()} x") == "card [redacted:pan] x"


@settings(deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_is_scrubbed(before: str, behind: str) -> None:
    result = SCRUBBER.scrub(f"{before} 4111 1111 1111 1111 {behind}")
    assert "1111 1111 1111" not in result
    assert result.encode()
