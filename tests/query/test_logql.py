"""LogQL parses, prints back, and fails with a place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.core.errors import QueryError
from tailrace.query.logql.ast import (
    Binary,
    LineFilter,
    LogQuery,
    Matcher,
    Needle,
    Number,
    RangeAggregation,
    Vector,
    VectorAggregation,
)  # fmt: skip
from tailrace.query.logql.parser import parse
from tailrace.query.logql.text import text
from tailrace.query.matrix.grouping import Grouping

ERRORS = [
    ("{}", "at least one matcher"),
    ('{a=""}', "at least one matcher"),
    ('{a="b"', "expected } to close the stream selector, found the end at 1:7"),
    ("{a=b}", "expected a quoted string after =, found 'b' at 1:4"),
    ('{a="b"} |= x', "expected a quoted string after |=, found 'x' at 1:12"),
    ('count_over_time({a="b"}[x])', "expected a duration after [ at 1:25"),
    ('rate({a="b"}[0s])', "longer than 0 at 1:14"),
    ('rate({a="b"})', "expected [ and a duration after the log query, found ')' at 1:13"),
    ('{a="b"} | json', "the stage | json is not supported yet at 1:9"),
    ('topk(3, rate({a="b"}[1m]))', "topk is not supported yet at 1:1"),
    ("nonsense(1)", "unknown function 'nonsense' at 1:1"),
    ('sum({a="b"})', "sum needs a metric query"),
    ("1 > 2", "the operator > is not supported yet at 1:3"),
    ('{a="b\\q"}', "unknown escape in string at 1:6"),
    ('{a="b}', 'not closed with "'),
    ("{a=`b}", "not closed with `"),
    ('{a="b"}\n  |= 5', "at 2:6"),
    ("", "expected a query, found the end at 1:1"),
    ("(" * 5000, "levels of parentheses"),
    ("sum(" * 5000, "levels of parentheses"),
    ("1" + "+1" * 5000, "QUERY_TERMS"),
    ('{a="b"}' + '|="x"' * 5000, "QUERY_TERMS"),
    ('{a="' + "b" * 70_000 + '"}', "QUERY_TEXT_BYTES"),
    ('rate({a="b"}[99y])', "longer than ten years"),
    ("1e999", "too large"),
    ("\ud800", "unexpected"),
]


@pytest.mark.parametrize(("source", "message"), ERRORS)
def test_an_error_names_what_and_where(source: str, message: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse(source)
    assert message in str(caught.value)


names = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: name not in {"by", "without"}
)
strings = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
matchers = st.builds(Matcher, names, st.sampled_from(["=", "!=", "=~", "!~"]), strings)
filters = st.builds(
    lambda op, value: LineFilter(op, (Needle(value),)),
    st.sampled_from(["|=", "!=", "|~", "!~"]), strings,
)  # fmt: skip
sure = st.builds(Matcher, names, st.just("="), strings.filter(bool))
logs = st.builds(
    lambda first, more, lines: LogQuery((first, *more), tuple(lines)),
    sure, st.lists(matchers, max_size=2), st.lists(filters, max_size=2),
)  # fmt: skip
ranges = st.builds(
    RangeAggregation,
    st.sampled_from(["rate", "count_over_time", "bytes_rate", "bytes_over_time"]),
    logs, st.integers(1, 10**17), st.integers(-(10**16), 10**16),
)  # fmt: skip
floats = st.floats(allow_nan=False, allow_infinity=False)
groupings = st.builds(Grouping, st.booleans(), st.lists(names, max_size=3, unique=True).map(tuple))
metrics = st.recursive(
    ranges | st.builds(Vector, floats) | st.builds(Number, floats),
    lambda inner: (
        st.builds(
            VectorAggregation,
            st.sampled_from(["sum", "min", "max", "avg", "count"]),
            groupings,
            inner,
        )
        | st.builds(Binary, st.sampled_from("+-*/"), inner, inner)
    ),
    max_leaves=4,
)


@given(logs | metrics)
def test_a_printed_tree_parses_to_itself(tree: LogQuery | Number) -> None:
    assert parse(text(tree)) == tree


@given(st.text(max_size=40) | st.text('{}()[]="~|!`abc019 \n\\', max_size=40))
def test_any_text_is_a_tree_or_a_query_error(source: str) -> None:
    try:
        parse(source)
    except QueryError as error:
        assert str(error)


def test_grouping_may_follow() -> None:
    assert parse('sum(rate({a="b"}[1m])) by (x)') == parse('sum by (x) (rate({a="b"}[1m]))')
