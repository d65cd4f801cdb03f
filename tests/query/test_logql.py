"""LogQL parses, prints back, and fails with a place."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.core.errors import QueryError
from tailrace.query.expressions import compiled
from tailrace.query.logql.ast import (
    AllOf,
    AnyOf,
    Assignment,
    Binary,
    Chosen,
    Comparison,
    Decolorize,
    Drop,
    Extraction,
    JsonParser,
    Keep,
    LabelFilter,
    LabelFormat,
    LabelReplace,
    LineFilter,
    LineFormat,
    LogfmtParser,
    LogQuery,
    Matcher,
    Needle,
    Number,
    PatternParser,
    RangeAggregation,
    RegexpParser,
    Unpack,
    Unwrap,
    Vector,
    VectorAggregation,
    Weekly,
)  # fmt: skip
from tailrace.query.logql.operators import COMPARISONS, PRECEDENCE, SETS
from tailrace.query.logql.parser import is_scalar, parse
from tailrace.query.logql.stages import KEYWORDS
from tailrace.query.logql.text import pretty, text
from tailrace.query.logs.metric import weeklies
from tailrace.query.matrix.grouping import EQUAL_LABELS, Grouping, Matching

ERRORS = [
    ("{}", "at least one matcher"),
    ('{a=""}', "at least one matcher"),
    ('{a="b"', "expected } to close the stream selector, found the end at 1:7"),
    ("{a=b}", "expected a quoted string after =, found 'b' at 1:4"),
    ('{a="b"} |= x', "expected a quoted string after |=, found 'x' at 1:12"),
    ('count_over_time({a="b"}[x])', "expected a duration after [ at 1:25"),
    ('rate({a="b"}[0s])', "longer than 0 at 1:14"),
    ('rate({a="b"})', "expected [ and a duration after the log query, found ')' at 1:13"),
    ('{a="b"} | nonsense', "unknown stage 'nonsense'"),
    ('{a="b"} | json | x = ', "found the end at 1:22"),
    ('{a="b"} | unwrap x', "unwrap is for range aggregations such as sum_over_time at 1:11"),
    ('topk(0, rate({a="b"}[1m]))', "topk needs a whole number from 1 at 1:6"),
    ('sum_over_time({a="b"}[1m])', "sum_over_time needs an unwrap"),
    ('count_over_time({a="b"} | unwrap x [1m])', "count_over_time takes no unwrap at 1:1"),
    ('rate({a="b"}[1m]) by (x)', "rate takes no grouping"),
    ('{a="b"} |= ip("300.0.0.1")', "is no address, prefix or range of addresses at 1:15"),
    ('{a="b"} |~ "("', "not a regular expression of RE2"),
    ('{a="b"} | logfmt --loose', "--strict and --keep-empty"),
    ('{a="b"} | label_format x=y, x="z"', "label_format sets x twice"),
    ("1 and vector(1)", "and joins vectors, not numbers"),
    ("1 + bool 2", "bool goes with comparisons only"),
    ("nonsense(1)", "unknown function 'nonsense' at 1:1"),
    ('sum({a="b"})', "sum needs a metric query"),
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


WORDS = {"by", "without", "and", "or", "ip", "bool", "on", "ignoring", *KEYWORDS}
names = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True).filter(lambda x: x not in WORDS)
strings = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
regexes = st.from_regex(r"[a-z.*+|]{0,3}[a-z]", fullmatch=True).filter(lambda x: _compiles(x))


def _compiles(pattern: str) -> bool:
    try:
        compiled(pattern)
    except ValueError:
        return False
    return True


def with_value(build: Any, *before: Any) -> Any:
    """With an operator and a value that goes with it."""
    return st.one_of(
        st.builds(build, *before, st.sampled_from(["=", "!="]), strings),
        st.builds(build, *before, st.sampled_from(["=~", "!~"]), regexes),
    )


matchers = with_value(Matcher, names)
addresses = st.sampled_from(["10.0.0.1", "10.0.0.0/8", "::1", "10.0.0.1-10.0.0.9", "fe80::/10"])
filters = st.one_of(
    st.builds(
        lambda op, found: LineFilter(op, tuple(found)),
        st.sampled_from(["|=", "!="]),
        st.lists(
            st.builds(Needle, strings) | st.builds(Needle, addresses, st.just(True)),
            min_size=1, max_size=3,
        ),
    ),
    st.builds(
        lambda op, found: LineFilter(op, tuple(map(Needle, found))),
        st.sampled_from(["|~", "!~"]), st.lists(regexes, min_size=1, max_size=3),
    ),
    st.builds(
        lambda op, value: LineFilter(op, (Needle(value),)), st.sampled_from(["|>", "!>"]), strings
    ),
)  # fmt: skip
extractions = st.lists(
    st.builds(Extraction, names, strings) | names.map(lambda x: Extraction(x, x)), max_size=3
).map(tuple)
whole = st.integers(0, 10**12).map(float)
sided = ["==", "!=", ">", ">=", "<", "<="]
comparisons = st.one_of(
    with_value(lambda name, op, value: Comparison(name, op, value, "string"), names),
    *(
        st.builds(
            lambda name, op, value, kind: Comparison(name, op, value, kind),
            names, st.sampled_from(sided), values, st.just(kind),
        )
        for kind, values in (
            ("number", st.floats(allow_nan=False, allow_infinity=False)),
            ("duration", whole), ("bytes", whole),
        )
    ),
    st.builds(
        lambda name, op, value: Comparison(name, op, value, "ip"),
        names, st.sampled_from(["=", "!="]), addresses,
    ),
)  # fmt: skip
conditions = st.recursive(
    comparisons,
    lambda inner: st.builds(AllOf, inner, inner) | st.builds(AnyOf, inner, inner),
    max_leaves=4,
)
chosen = st.lists(names.map(Chosen) | with_value(Chosen, names), min_size=1, max_size=3).map(tuple)
assignments = st.lists(
    st.builds(Assignment, names, names, st.just(False))
    | st.builds(Assignment, names, strings, st.just(True)),
    min_size=1, max_size=3, unique_by=lambda one: one.label,
).map(tuple)  # fmt: skip
stages = st.one_of(
    filters,
    st.builds(JsonParser, extractions),
    st.builds(LogfmtParser, st.booleans(), st.booleans(), extractions),
    st.builds(RegexpParser, regexes),
    st.builds(PatternParser, strings),
    st.just(Unpack()),
    st.builds(LabelFilter, conditions),
    st.builds(LineFormat, strings),
    st.builds(LabelFormat, assignments),
    st.just(Decolorize()),
    st.builds(Drop, chosen),
    st.builds(Keep, chosen),
)
sure = st.builds(Matcher, names, st.just("="), strings.filter(bool))
logs = st.builds(
    lambda first, more, found: LogQuery((first, *more), tuple(found)),
    sure, st.lists(matchers, max_size=2), st.lists(stages, max_size=3).filter(lambda x: _apart(x)),
)  # fmt: skip


def _apart(found: list[Any]) -> bool:
    """A filter with `!=` after a list of labels would be read as a matcher of its last label."""
    return not any(
        isinstance(one, Drop | Keep | JsonParser | LogfmtParser)
        and isinstance(other, LineFilter) and other.op in ("!=", "!~")
        for one, other in itertools.pairwise(found)
    )  # fmt: skip


floats = st.floats(allow_nan=False, allow_infinity=False)
groupings = st.builds(Grouping, st.booleans(), st.lists(names, max_size=3, unique=True).map(tuple))
unwraps = st.builds(
    Unwrap, names, st.sampled_from(["", "bytes", "duration", "duration_seconds"]),
    st.lists(st.builds(LabelFilter, conditions), max_size=2).map(tuple),
)  # fmt: skip
times = (st.integers(1, 10**17), st.integers(-(10**16), 10**16))
ranges = st.one_of(
    st.builds(
        RangeAggregation,
        st.sampled_from(["rate", "count_over_time", "bytes_rate", "absent_over_time"]),
        logs, *times,
    ),
    st.builds(
        RangeAggregation, st.sampled_from(["sum_over_time", "rate", "rate_counter"]),
        logs, *times, unwraps,
    ),
    st.builds(
        RangeAggregation, st.sampled_from(["avg_over_time", "first_over_time", "stddev_over_time"]),
        logs, *times, unwraps, st.none(), st.none() | groupings,
    ),
    st.builds(
        RangeAggregation, st.just("quantile_over_time"), logs, *times, unwraps, floats,
        st.none() | groupings,
    ),
)  # fmt: skip
plain = st.builds(
    Matching, st.booleans(), st.lists(names, min_size=1, max_size=2, unique=True).map(tuple)
)
matchings = st.just(EQUAL_LABELS) | plain | st.builds(
    lambda one, group, more: Matching(one.on, one.labels, group, tuple(more)),
    plain, st.sampled_from(["left", "right"]), st.lists(names, max_size=2, unique=True),
)  # fmt: skip


def _weekly(function: str, inner: Any, weeks: int) -> Any:
    """None is of a number, and none in another: those stay as they are."""
    if is_scalar(inner) or weeklies(inner):
        return inner
    return Weekly(function, inner, weeks)


def _binary(op: str, left: Any, right: Any, matching: Matching, returns_bool: bool) -> Binary:
    scalar = is_scalar(left) or is_scalar(right)
    if scalar and op in SETS:
        op = "+"
    if scalar:
        matching = EQUAL_LABELS
    if op in SETS:
        matching = Matching(matching.on, matching.labels)
    return Binary(op, left, right, matching, returns_bool and op in COMPARISONS)


metrics = st.recursive(
    ranges | st.builds(Vector, floats) | st.builds(Number, floats),
    lambda inner: (
        st.builds(
            VectorAggregation,
            st.sampled_from(["sum", "min", "max", "avg", "count", "stddev", "stdvar"]),
            groupings,
            inner,
        )
        | st.builds(
            VectorAggregation,
            st.sampled_from(["topk", "bottomk", "approx_topk"]),
            groupings,
            inner,
            st.integers(1, 100).map(float),
        )
        | st.builds(
            VectorAggregation,
            st.sampled_from(["sort", "sort_desc"]),
            st.just(Grouping(False, ())),
            inner,
        )
        | st.builds(LabelReplace, inner, strings, strings, strings, regexes)
        | st.builds(
            _weekly,
            st.sampled_from(["weekly_baseline", "weekly_robust_zscore"]),
            inner,
            st.integers(3, 8),
        )
        | st.builds(
            _binary, st.sampled_from(sorted(PRECEDENCE)), inner, inner, matchings, st.booleans()
        )
    ),
    max_leaves=4,
)


@given(logs | metrics)
def test_a_printed_tree_parses_to_itself(tree: Any) -> None:
    try:
        assert parse(text(tree)) == tree
    except QueryError as error:
        assert "QUERY_TERMS" in str(error), text(tree)


@given(logs | metrics)
def test_a_tree_laid_out_over_lines_parses_to_itself(tree: Any) -> None:
    try:
        assert parse(pretty(tree)) == tree
    except QueryError as error:
        assert "QUERY_TERMS" in str(error), pretty(tree)


@given(st.text(max_size=40) | st.text('{}()[]="~|!`abc019 \n\\', max_size=40))
def test_any_text_is_a_tree_or_a_query_error(source: str) -> None:
    try:
        parse(source)
    except QueryError as error:
        assert str(error)


def test_grouping_may_follow() -> None:
    assert parse('sum(rate({a="b"}[1m])) by (x)') == parse('sum by (x) (rate({a="b"}[1m]))')


def test_the_usual_number_of_weeks_has_one_spelling() -> None:
    counted = 'weekly_baseline(rate({a="b"} [1m])'
    assert text(parse(f"{counted}, 4)")) == text(parse(f"{counted})")) == f"{counted})"
    assert text(parse(f"{counted}, 3)")) == f"{counted}, 3)"


def test_weeks_are_counted_over_the_whole_query() -> None:
    part = 'weekly_robust_zscore(rate({a="b"}[1m]), 8)'
    parse(" + ".join([part] * 4))
    with pytest.raises(QueryError, match=r"more than 32 weeks \(QUERY_WEEKS_READ\) at 1:181"):
        parse(" + ".join([*[part] * 4, 'weekly_baseline(rate({a="b"}[1m]), 1)']))
