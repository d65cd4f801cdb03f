"""What is remembered for a while, and how much of it."""

from __future__ import annotations

import pytest

from tailrace.core import limits
from tailrace.core.clock import ManualClock
from tailrace.query.lately import LIFETIME_S, Lately


def test_a_list_is_known_as_long_as_it_lives() -> None:
    clock = ManualClock()
    known: Lately[str] = Lately(clock)
    assert known.get("a") is None
    known.keep("a", ["x"])
    clock.advance(LIFETIME_S - 1)
    assert known.get("a") == ["x"]
    clock.advance(1)
    assert known.get("a") is None


@pytest.mark.parametrize(("entries", "names"), [(2, 100), (100, 5)])
def test_beyond_what_may_be_held_all_is_forgotten_but_the_last(
    entries: int, names: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "QUERY_LISTS_HELD", entries)
    monkeypatch.setattr(limits, "QUERY_NAMES_HELD", names)
    known: Lately[str] = Lately(ManualClock())
    known.keep("a", ["x", "y"])
    known.keep("b", ["x", "y"])
    assert known.get("a") == ["x", "y"]
    known.keep("c", ["x", "y"])
    assert (known.get("a"), known.get("b"), known.get("c")) == (None, None, ["x", "y"])
