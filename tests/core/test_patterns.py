"""Patterns mean what `re` means by them row by row, whichever engine looks for them."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.examples import examples

from tailrace.agent.sampling.scanner import (
    KIND_BITS,
    Expression,
    Hyperscan,
    Scanner,
    Searches,
    has_hyperscan,
    scanner_of,
)
from tailrace.core import patterns
from tailrace.core.errors import ConfigError

ENGINES: list[type[Hyperscan] | type[Searches]] = [Searches]
if has_hyperscan():
    ENGINES.append(Hyperscan)


def ends(scanner: Scanner, data: bytes) -> list[tuple[int, int]]:
    """Where matches end, and their kinds."""
    return [(hit >> KIND_BITS, hit % (1 << KIND_BITS)) for hit in scanner.scan(data)]


def found(scanner: Scanner, rows: list[bytes], kind: int = 0) -> set[int]:
    """Numbers of the rows in which something was found."""
    data = b"".join(row + b"\n" for row in rows)
    hits = [end for end, of in ends(scanner, data) if of == kind]
    return {data.count(b"\n", 0, end - 1) for end in hits}


def test_hyperscan_is_tested_too() -> None:
    if not has_hyperscan():
        pytest.skip("hyperscan is not installed: its engine is not tested")


_ATOMS = [
    "a", "b", "ab", "A", "-", r"\.", r"\d", r"\w", r"\s", r"\D", r"\W", r"\S", ".", "[ab]", "[^a]",
    r"[^\s]", r"[\w-]", "[a-c1]", r"\b", "^", "$", r"\A", r"\Z", r"\n", "(?i:aB)", "(?s:.)",
]  # fmt: skip
_pattern = st.recursive(
    st.sampled_from(_ATOMS),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4).map("".join),
        st.tuples(inner, inner).map(lambda two: f"(?:{two[0]}|{two[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "*?", "{,2}"])).map(
            lambda two: f"(?:{two[0]}){two[1]}"
        ),
    ),
    max_leaves=6,
)
_row = st.text(alphabet="abAB1 .-_\t\x1e", max_size=12)


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=examples(40), deadline=None)
@given(_pattern, st.lists(_row, min_size=1, max_size=8))
def test_a_row_is_found_when_re_finds_it_alone(
    engine: type[Hyperscan] | type[Searches], pattern: str, rows: list[str]
) -> None:
    try:
        text = patterns.read(pattern, "drop").text
    except ConfigError:
        assume(False)
    try:
        scanner = engine([Expression(0, text)])
    except ValueError:
        assume(False)  # too much for hyperscan: an agent falls back to the other
    # `$` is the end of a row, not also the place before a newline at its end.
    alone = re.compile(pattern.replace("$", r"\Z"), re.ASCII)
    expected = {n for n, row in enumerate(rows) if alone.search(row.replace("\x1e", "\n"))}
    assert found(scanner, [row.encode() for row in rows]) == expected


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("pattern", "hits", "others"),
    [
        ("größe", ["die größe"], ["die grosse", "die Größe"]),
        ("(?i)größe", ["GRÖSSE? nein, GRÖßE"], ["grösse"]),
        ("[äö]x", ["ax öx"], ["ox", "äy"]),
        ("é{2}$", ["caféé"], ["café"]),
        ("(?m)^Caused by", ["Error\x1eCaused by", "Caused by"], ["Error Caused by"]),
        ("(?m)done$", ["done\x1eat x", "done"], ["done at"]),
        (r"x\n at", ["x\x1e at f"], ["x at f"]),
        ("(?x) a b  # two letters", ["ab"], ["a b"]),
    ],
)
def test_examples(
    engine: type[Hyperscan] | type[Searches], pattern: str, hits: list[str], others: list[str]
) -> None:
    scanner = engine([Expression(0, patterns.read(pattern, "drop").text)])
    rows = [row.encode() for row in [*hits, *others]]
    assert found(scanner, rows) == set(range(len(hits)))


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("(", "unterminated"),
        ("[[:alpha:]]+x", "nested set"),
        ("", "every line"),
        ("a*|b", "every line"),
        ("^$", "every line"),
        ("(?<=a)b", "lookaround"),
        ("a(?!b)", "lookaround"),
        (r"(a)\1", "reference"),
        ("(?>a+)b", "atomic"),
        ("a++b", "atomic"),
        (r"a\Bb", r"\\B"),
        ("a{2000}", "1000"),
        ("[^é]", "ASCII"),
        ("[à-é]", "ASCII"),
        (r"[^\w\W]", "holds nothing"),
        ("(" * 5000 + "a" + ")" * 5000, "no regular expression"),
    ],
)
def test_what_cannot_be_looked_for_is_refused_by_name(pattern: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        patterns.read(pattern, "agent.inputs[3].drop")
    assert str(caught.value).startswith("agent.inputs[3].drop: ")


@pytest.mark.parametrize("pattern", ["(a+)+b", "(?:a|ab)*c", r"(\w+\s?)+x", "(a?){30}b"])
def test_a_repeat_of_what_repeats_is_marked(pattern: str) -> None:
    assert patterns.read(pattern, "drop").nested


@pytest.mark.parametrize("pattern", ["a+b+c", "(ab)+c", "(a|b)c", "(?:ab?c)d*e", r"\d{1,3}x"])
def test_a_plain_repeat_is_not(pattern: str) -> None:
    assert not patterns.read(pattern, "drop").nested


@pytest.mark.parametrize("engine", ENGINES)
def test_a_match_with_an_open_end_is_reported_once(
    engine: type[Hyperscan] | type[Searches],
) -> None:
    scanner = engine([Expression(0, patterns.read("error.*", "drop").text)])
    assert ends(scanner, b"an error " + 1000 * b"x" + b"\n") == [(8, 0)]


def test_hyperscan_refuses_what_is_too_large_and_re_takes_it() -> None:
    large = patterns.read("(?:[ab]{900}c){900}", "drop").text
    assert isinstance(scanner_of([Expression(0, large)]), Searches)
