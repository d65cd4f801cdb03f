"""Names of labels, made of the keys that people send."""

from __future__ import annotations

import pytest

from tailrace.core import limits
from tailrace.query.labels import Names


def test_so_many_names_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LABELS_KEPT", 3)
    names = Names()
    for number in range(20):
        assert names[f"k8s.pod-{number}"] == f"k8s_pod_{number}"
    assert len(names) <= 3


def test_the_name_of_a_long_key_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LABEL_KEPT_CHARS", 3)
    names = Names()
    assert (names["a.b"], names["1a.b"]) == ("a_b", "_1a_b")
    assert list(names) == ["a.b"]
