"""A mistake of an expression is placed where it stands in the file, however it is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.alerts.rules.nodes import Mapping, Scalar, documents
from tailrace.alerts.rules.reader import read
from tailrace.alerts.rules.source import Source
from tailrace.alerts.rules.within import index_within

# `@` is where the expression is wrong.
RULE = "groups:\n- name: a\n  rules:\n  - record: r\n    expr: "


@pytest.mark.parametrize(
    "written",
    [
        "up ?",
        "'up ?'",
        '"up ?"',
        "'{a=''it''''s''} ?'",
        r'"{a=\"b\\tc\"} ?"',
        r'"\x75p\n\t ?"',
        '"up \\\n      ?"',
        "up\n      and\n\n      ?",
        "'up\n      and\n\n      ?'",
        "|\n      up and\n        x\n      ?\n",
        "|2-\n        up\n       ?\n",
        "|  # with a word\n\n      up\n      ?\n",
        ">\n      up\n      and\n\n        x\n\n      ?\n",
        ">-\r\n      up\r\n      ?\r\n",
        "!!str up ?",
        "&x up ?",
        "&x |\n      up\n      ?\n",
    ],
)
def test_a_mistake_is_where_it_stands(written: str) -> None:
    text = RULE + written
    (problem,) = read(text).problems
    lines = text.replace("\r\n", "\n").split("\n")
    assert lines[problem.line - 1][problem.column - 1] == "?"


def test_what_is_missing_at_the_end_is_after_the_last_word() -> None:
    (problem,) = read(f"{RULE}|\n      up and\n      sum(x\n\n\n    labels: {{}}\n").problems
    assert (problem.line, problem.column) == (7, 12)


def test_a_mistake_that_aliases_repeat_is_told_once() -> None:
    text = f"{RULE}&e up ?\n  - record: s\n    expr: *e\n"
    assert [problem.line for problem in read(text).problems] == [5]


STYLES = st.sampled_from(["'", '"'])
WORDS = st.text(st.sampled_from("ab'\"\\ \té\u3000𝄞"), min_size=1, max_size=20)


@given(WORDS, STYLES, st.data())
def test_a_character_of_a_quoted_text_is_found(value: str, style: str, data: st.DataObject) -> None:
    if style == "'":
        written = value.replace("'", "''")
    else:
        written = value.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t")
    text = f"a: {style}{written}{style}\n"
    offset = data.draw(st.integers(0, len(value) - 1))
    (document,) = documents(Source(text))
    assert isinstance(document, Mapping)
    scalar = document.pairs[0][1]
    assert isinstance(scalar, Scalar)
    assert scalar.value == value
    index = index_within(text, scalar, offset)
    if not value[offset].isspace():
        found = "\\" + value[offset] if style == '"' and value[offset] in '\\"' else value[offset]
        assert text.startswith(found, index)
