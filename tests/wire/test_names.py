"""What is remembered of records that come from anybody."""

from __future__ import annotations

import pytest

from tailrace.core import limits
from tailrace.wire import names


def test_the_keys_of_so_many_records_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RECORD_SHAPES", 3)
    for number in range(20):
        assert names.named({f"key-{number}": 1, "msg": "x"}).body == "x"
    assert len(names._shapes) <= 3


def test_long_keys_are_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RECORD_SHAPE_CHARS", 10)
    for _ in range(2):
        assert names.named({"7 chars": 1, "msg": "x"}).body == "x"
        assert names.named({"8 chars.": 1, "msg": "x"}).body == "x"
    assert ("7 chars", "msg") in names._shapes
    assert ("8 chars.", "msg") not in names._shapes
