"""Statements that differ only in their literals are the same statement."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.core import limits
from tailrace.wire.statement import Dialect, normalised

DIALECTS: tuple[Dialect, ...] = ("postgresql", "mysql")


@pytest.mark.parametrize(
    ("dialect", "statement", "text"),
    [
        ("postgresql", "SELECT 1", "select ?"),
        ("postgresql", "select  *\n from T -- a\n where a=-5;", "select * from t where a = ?"),
        ("postgresql", "select a - 5, a-1, (b)-2", "select a - ?, a - ?, (b) - ?"),
        (
            "postgresql",
            "select 'it''s', E'a\\'b', 'a\\', $$x'$$, $q$ $$ $q$",
            "select ?, ?, ?, ?, ?",
        ),
        ("postgresql", 'select "A""b".C, x\'1f\', 1.5e-3, .5, 0xFF', 'select "A""b".c, ?, ?, ?, ?'),
        ("postgresql", "where id in (1, 2,3)", "where id in (?)"),
        ("postgresql", "where id = any(array[1,2])", "where id = any (array[?])"),
        ("postgresql", "where id IN ($1,$2) and b", "where id in (?) and b"),
        (
            "postgresql",
            "insert into t values (1,now()),(2,now())",
            "insert into t values (?, now())",
        ),
        ("postgresql", "select a||'x', b::text, c->>'k'", "select a || ?, b::text, c ->> ?"),
        ("postgresql", "select f(1, 2) /* c */ where true", "select f(?, ?) where ?"),
        ("postgresql", "select 'no end", "select ?"),
        ("postgresql", "", ""),
        ("mysql", "select `A``b`, \"x\\\"y\", 'z\\'' # c", "select `A``b`, ?, ?"),
        ("mysql", "select _utf8'x', N'y', @a, 5--3 -- c", "select ?, ?, @a, ? - ?"),
        ("mysql", "select * from t limit 10,20", "select * from t limit ?, ?"),
    ],
)
def test_literals_comments_and_layout_are_taken_out(
    dialect: Dialect, statement: str, text: str
) -> None:
    assert normalised(statement, dialect).text == text


def test_a_summary_names_the_operation_and_the_tables() -> None:
    found = normalised('SELECT * FROM "Shop".orders o JOIN items i ON i.o = o.id', "postgresql")
    assert found.summary == 'SELECT "Shop".orders items'
    assert found.operation == "SELECT"
    assert len(found.fingerprint) == 16


_NUMBERS = st.one_of(st.integers(0, 10**20).map(str), st.floats(0, 1e9).map(lambda x: f"{x:.6f}"))
_STRINGS = st.text("abc '\\\n;-#$/*é").map(lambda text: text.replace("'", "''"))
_SHAPES = (
    "select * from t where a = {} and b in ({}, {}) limit {}",
    "insert into t (a, b) values ({}, {}), ({}, {})",
    "update t set a = {}, b = f({}, -{}) where c between {} and 7 -- note",
)


@given(
    st.sampled_from(DIALECTS),
    st.sampled_from(_SHAPES),
    *(st.lists(st.one_of(_NUMBERS, _STRINGS.map(repr)), min_size=4, max_size=4) for _ in "ab"),
)
def test_other_literals_are_the_same_statement(
    dialect: Dialect, shape: str, first: list[str], second: list[str]
) -> None:
    def literal(text: str) -> str:
        if text[0].isdigit():
            return text
        inner = text[1:-1].replace("\\", "\\\\" if dialect == "mysql" else "\\").replace("'", "")
        return f"'{inner}'"

    one, two = (shape.format(*map(literal, each)) for each in (first, second))
    assert normalised(one, dialect) == normalised(two, dialect)


def test_of_a_long_statement_the_beginning_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "STATEMENT_CHARS", 16)
    assert normalised("select a from bb", "mysql").text == "select a from bb"
    assert normalised("select a from bbb", "mysql").text == "select a from bb"


@given(st.sampled_from(DIALECTS), st.text())
def test_any_text_has_a_fingerprint(dialect: Dialect, text: str) -> None:
    found = normalised(text, dialect)
    assert len(found.fingerprint) == 16
    assert normalised(text, dialect) == found


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "part",
    ["(", "'", "$a$", "-- ", "/*", "1e", "in (1,", "values (1),", '"', "\\'", "_a ", "((1),"],
)
def test_a_hostile_statement_costs_no_more_than_its_length(dialect: Dialect, part: str) -> None:
    begin = time.process_time()
    normalised(part * (2**18 // len(part)), dialect)
    assert time.process_time() - begin < 2
