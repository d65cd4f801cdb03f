"""Whatever bytes a rule file has, it is read or refused with a place, soon, and never a crash."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.examples import examples

from tailrace.alerts.rules import nodes
from tailrace.alerts.rules.reader import read, read_group
from tailrace.core.limits import RULE_FILE_BYTES, RULE_PROBLEMS

CORPUS = [path.read_bytes() for path in sorted((Path(__file__).parent / "corpus").iterdir())]
RULE = "groups:\n- name: a\n  rules:\n  - alert: A\n    expr: up\n"
LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{after}: &{after} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, after in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (LAUGHS, "6:8: more than 200000 parts (RULE_FILE_NODES)"),
        ("a: &a [*a]", "1:8: *a stands within what it refers to"),
        ("&a {*a : b}", "1:5: *a stands within what it refers to"),
        ("a: *b", "1:4: there is no anchor &b before this"),
        ("a: &a x\n---\nb: *a", "3:4: there is no anchor &a before this"),
        ("a: !!python/object/apply:os.system [x]", "1:4: the tag !!python/object/apply:os.system"),
        ("a: !!binary eA==", "1:4: the tag !!binary has no place in a rule file"),
        ("!<x> {}", "1:1: the tag x has no place in a rule file"),
        ("[" * 50, "1:25: nested deeper than 24 (RULE_FILE_DEPTH)"),
        ("- " * 50, "1:49: nested deeper than 24 (RULE_FILE_DEPTH)"),
        ("a: {b: [c}", "1:10: "),
        ("groups:\n\t- name: a\n", "2:1: "),
        ("a: 'b", "1:6: "),
        ("a: b: c", "1:5: "),
        (b"groups:\n- name: \xff\n", "2:9: the byte 0xff is no UTF-8"),
        (b"\xef\xbb\xbfa: \xff", "1:4: the byte 0xff is no UTF-8"),
        ("groups:\n- name: \x00", "2:9: the character U+0000 may not stand in YAML"),
        ("groups:\n- name: \ud800", "2:9: the character U+D800 may not stand in YAML"),
        ("groups:".encode("utf-16"), "1:1: the byte 0xff is no UTF-8"),
        ("%YAML 9.9\n---\ngroups: []", "1:1: "),
        ("#" * (RULE_FILE_BYTES + 1), "1:1: longer than 1048576 bytes (RULE_FILE_BYTES)"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_a_hostile_file_is_refused_with_its_place(text: str | bytes, problem: str) -> None:
    found = read(text)
    assert found.groups == ()
    assert str(found.problems[0]).startswith(problem)


@pytest.mark.parametrize("text", [f"\ufeff{RULE}", RULE.replace("\n", "\r\n"), f"---\n{RULE}...\n"])
def test_marks_and_line_ends_of_other_systems_are_read(text: str) -> None:
    found = read(text.encode())
    assert not found.problems
    assert found.groups[0].rules[0].expr == "up"


def test_lines_are_counted_alike_with_a_mark_and_other_line_ends() -> None:
    text = f"\ufeff{RULE}    fro: 1m\n".replace("\n", "\r\n")
    assert [(one.line, one.column) for one in read(text.encode()).problems] == [(6, 5)]


def test_texts_that_aliases_repeat_are_bounded() -> None:
    text = f"a: &a {'x' * 100_000}\nb: [{', '.join(['*a'] * 20)}]"
    assert "RULE_FILE_BYTES" in str(read(text).problems[0])


def test_a_huge_text_is_refused_at_its_place() -> None:
    text = RULE.replace(": up", ": '" + "x" * 900_000 + "'")
    (problem,) = read(text).problems
    assert str(problem) == "5:12: expr: longer than 65536 bytes (QUERY_TEXT_BYTES)"


def test_of_very_many_errors_the_first_are_told_and_how_many_more() -> None:
    rules = "".join(f"  - {{alert: A{n}, expr: up ?}}\n" for n in range(RULE_PROBLEMS + 7))
    found = read(f"groups:\n- name: a\n  rules:\n{rules}").problems
    assert len(found) == RULE_PROBLEMS + 1
    assert found[-1].message == "and 7 errors more"


@pytest.mark.parametrize(
    "text",
    [
        "[" * 300_000,
        "{" * 300_000,
        "- " * 150_000,
        "? " * 150_000,
        "a: " * 100_000,
        "&a " * 100_000,
        "!a " * 100_000,
        "'" * 300_000,
        "\n" * 300_000,
        "a:\n" * 100_000,
        "- a\n" * 80_000,
        "[" + "a," * 150_000 + "]",
        f"groups: [{'{},' * 100_000}]",
        "groups: [{name: a, rules: [" + "{}," * 100_000 + "]}]",
        "groups: [{name: a, rules: [{alert: A, expr: '" + "(" * 60_000 + "'}]}]",
        "groups: [{name: a, rules: [" + "{alert: A, expr: '" + "a+" * 30_000 + "1'}]}]",
        "&a {<<: [" + "{b: c}," * 40_000 + "]}",
    ],
    ids=lambda text: text[:12],
)
def test_a_file_of_any_shape_is_refused_soon(text: str) -> None:
    begun = time.process_time()
    read(text)
    # Some are a quarter of a second of honest work on a slow machine; what is quadratic takes
    # an hour.
    assert time.process_time() - begun < 10


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A file of the corpus with some parts changed."""
    text = bytearray(draw(st.sampled_from(CORPUS)))
    for _ in range(draw(st.integers(1, 8))):
        at = draw(st.integers(0, len(text)))
        end = at + draw(st.integers(0, 12))
        text[at:end] = draw(
            st.sampled_from([b"", b"\n", b" ", b"'", b'"', b"{", b"}", b"[", b"]", b":", b"- ",
                             b"&a ", b"*a", b"!x ", b"|", b">", b"\t", b"---\n", b"\xff", b"#"])
            | st.binary(max_size=4)
        )  # fmt: skip
    return bytes(text)


@settings(deadline=None, max_examples=examples(50))
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode()) | mutated())
def test_any_bytes_are_groups_or_problems_with_places(text: bytes) -> None:
    for found in (read(text), read_group(text)):
        assert not (found.errors and found.groups)
        lines = text.count(b"\n") + text.count(b"\r") + text.count(b"\xc2\x85") + 1
        lines += text.count("\u2028".encode()) + text.count("\u2029".encode())
        for problem in found.problems:
            assert 1 <= problem.line <= lines
            assert problem.column >= 1
            assert problem.message


@pytest.fixture
def without_libyaml(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyYAML as it is where it was built without the library, whose scanner differs in trifles."""
    monkeypatch.setattr(nodes, "_LOADER", yaml.SafeLoader)


@pytest.mark.parametrize("text", CORPUS, ids=range(len(CORPUS)))
def test_a_file_reads_the_same_without_libyaml(text: bytes, request: pytest.FixtureRequest) -> None:
    with_libyaml = read(text)
    request.getfixturevalue("without_libyaml")
    assert read(text) == with_libyaml


@pytest.mark.usefixtures("without_libyaml")
@settings(
    deadline=None,
    max_examples=examples(25),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(mutated())
def test_any_bytes_are_groups_or_problems_without_libyaml(text: bytes) -> None:
    found = read(text)
    assert not (found.errors and found.groups)
