from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.core.errors import QueryError
from tailrace.wire.jsonpath import STEPS, Path

DOCUMENT = {"a": {"b": [{"c": 1}, {"c": 2}, {"d": 3}]}, "x y": [0], "a.b": "dotted", "0": "zero"}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$", [DOCUMENT]),
        ("$.a.b[*].c", [1, 2]),
        ("$.a.b[1].c", [2]),
        ("$.a.b[9].c", []),
        ("$['x y'][0]", [0]),
        ('$["a.b"]', ["dotted"]),
        ("$.a.*", [DOCUMENT["a"]["b"]]),  # type: ignore[index]
        ("$.missing.b", []),
        ("$.a[0]", []),
        ("$.0", ["zero"]),
        ("$['x y'].name", []),
    ],
)
def test_a_path_means_these_values(path: str, found: list[Any]) -> None:
    assert Path(path).find(DOCUMENT) == found


@pytest.mark.parametrize(
    ("path", "place"),
    [("", 0), ("a", 0), ("$a", 1), ("$.a..b", 3), ("$.a[", 3), ("$.a[-1]", 3), ("$.a['b]", 3),
     ("$.a[?(@.b)]", 3), ("$.", 1), ("$.a b", 3), ("$.a[0:2]", 3)],
)  # fmt: skip
def test_a_path_that_is_none_names_the_place(path: str, place: int) -> None:
    with pytest.raises(QueryError) as caught:
        Path(path)
    assert caught.value.position == place


def test_a_path_has_a_bounded_length() -> None:
    assert Path("$" + ".a" * STEPS).find({}) == []
    with pytest.raises(QueryError):
        Path("$" + ".a" * (STEPS + 1))


def test_only_a_star_can_mean_more_than_one() -> None:
    assert not Path("$.a[0]['b']").many
    assert Path("$.a[*].b").many
    assert Path("$.*").many


@given(st.lists(st.text(st.characters(exclude_characters="'"), max_size=5), max_size=5))
def test_any_name_can_be_written(names: list[str]) -> None:
    document: Any = 7
    for name in reversed(names):
        document = {name: document}
    assert Path("$" + "".join(f"['{name}']" for name in names)).find(document) == [7]


@given(st.text("$.[]*'\"ab0 ", max_size=20))
def test_nothing_but_query_errors_is_raised(text: str) -> None:
    try:
        Path(text).find(DOCUMENT)
    except QueryError as error:
        assert 0 <= error.position <= len(text)
