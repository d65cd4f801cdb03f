"""What stages keep of values and names that repeat is bounded, and changes no answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tailrace.query.logql.ast import JsonParser
from tailrace.query.pipeline import jsonfields, labelfilter, naming, regex

from .case import run


class Counting:
    """A pattern, or a conversion, that counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def search(self, text: bytes) -> bytes | None:
        self.asked += 1
        return text

    def number(self, text: str) -> float:
        self.asked += 1
        return float(text)


def test_verdicts_on_values_are_kept_up_to_the_bound_and_then_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(regex, "PIPELINE_CACHED_VALUES", 3)
    counting = Counting()
    monkeypatch.setattr(regex, "compiled", lambda *_: counting)
    matches = regex.value_matcher(".+", 0)
    for values, asked in (("abcabc", 3), ("d", 4), ("abc", 7)):
        assert all(matches(value) for value in values)
        assert counting.asked == asked


def test_verdicts_on_numbers_are_kept_up_to_the_bound_and_then_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(labelfilter, "PIPELINE_CACHED_VALUES", 3)
    counting = Counting()
    larger: Any = labelfilter._number("n", lambda a, b: a > b, 0.0, counting.number, "number")
    for values, asked in (("123123", 3), ("4", 4), ("123", 7)):
        for value in values:
            labels = run((JsonParser(),), json.dumps({"n": value}))
            assert labels is not None
            assert larger(labels.labels)
        assert counting.asked == asked


def test_names_of_keys_are_kept_up_to_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(naming, "PIPELINE_NAMES", 2)
    names: dict[str, str] = {}
    found = [naming.remembered(key, names, None) for key in ("a.b", "c d", "e-f", "a.b")]
    assert found == ["a_b", "c_d", "e_f", "a_b"]
    assert len(names) == 2


def test_names_within_objects_are_kept_up_to_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonfields, "PIPELINE_NAMES", 2)
    line = json.dumps({"a": {"b": {"c.d": 1}}, "e": {"f": 2}, "g h": 3})
    row = run((JsonParser(),), line)
    assert row is not None
    assert row.labels.parsed() == {"a_b_c_d": "1", "e_f": "2", "g_h": "3"}
