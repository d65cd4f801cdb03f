"""The laws of a Scanner. Both engines are held to them; add one to `ENGINES`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.agent.sampling.scanner import (
    KIND_BITS,
    Expression,
    Hyperscan,
    Scanner,
    Searches,
    has_hyperscan,
)

ENGINES: dict[str, Callable[[Sequence[Expression]], Scanner]] = {"re": Searches}
if has_hyperscan():
    ENGINES["hyperscan"] = Hyperscan
EXPRESSIONS = [
    Expression(0, rb"(?:^|[^\w])err", caseless=True, needles=(b"err",)),
    Expression(0, rb"[0-9]{3}(?:$|\W)"),
    Expression(1, rb"(?:slow|late)$", needles=(b"slow", b"late")),
    Expression(1, rb"^a.*b"),
    Expression(2, rb"ok|OK"),
    Expression(3, rb"(?:^|\W)b", caseless=True),
]
over_all = pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
expressions = st.lists(st.sampled_from(EXPRESSIONS), min_size=1, unique=True)
words = st.sampled_from(
    ["err", "ERR", "xerr", "503", "5030", "slow", "late", "a", "b", "B", "ok", "OK", " ", "\x1e"]
)
rows = st.lists(words, max_size=6).map(lambda found: "".join(found).encode())
# The last row may end without its newline.
texts = st.lists(rows, max_size=8).map(b"\n".join)


def hits(scanner: Scanner, data: bytes) -> list[tuple[int, int]]:
    """Where matches end, and their kinds."""
    return [(hit >> KIND_BITS, hit % (1 << KIND_BITS)) for hit in scanner.scan(data)]


def alone(one: Expression, row: bytes) -> bool:
    flags = re.MULTILINE | (re.IGNORECASE if one.caseless else 0)
    return re.search(one.text, row, flags) is not None


@over_all
@settings(deadline=None)
@given(expressions, texts)
def test_the_rows_of_a_kind_are_those_in_which_re_finds_it(
    engine: Callable[[Sequence[Expression]], Scanner], looked_for: list[Expression], data: bytes
) -> None:
    found = {(data.count(b"\n", 0, end - 1), kind) for end, kind in hits(engine(looked_for), data)}
    assert found == {
        (number, one.kind)
        for number, row in enumerate(data.splitlines(keepends=True))
        for one in looked_for
        if alone(one, row)
    }


@over_all
@settings(deadline=None)
@given(expressions, texts)
def test_matches_are_in_order_and_end_within_the_data(
    engine: Callable[[Sequence[Expression]], Scanner], looked_for: list[Expression], data: bytes
) -> None:
    found = hits(engine(looked_for), data)
    assert found == sorted(found)
    assert all(0 < end <= len(data) for end, _ in found)


@over_all
@settings(deadline=None)
@given(expressions, texts, texts)
def test_a_scan_leaves_nothing_behind_for_the_next(
    engine: Callable[[Sequence[Expression]], Scanner],
    looked_for: list[Expression],
    data: bytes,
    other: bytes,
) -> None:
    scanner = engine(looked_for)
    first = scanner.scan(data)
    scanner.scan(other)
    assert scanner.scan(data) == first
