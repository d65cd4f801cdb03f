"""PromQL: what is parsed, that it is printed back, and what is refused with its place."""

from __future__ import annotations

import promql_parser
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.examples import examples

from tailrace.core.errors import QueryError
from tailrace.query.logql.ast import Matcher
from tailrace.query.matrix.grouping import Grouping, Matching
from tailrace.query.promql.ast import (
    Aggregation,
    Binary,
    Call,
    Expression,
    Negative,
    Number,
    Selector,
    Subquery,
    Text,
    Window,
)
from tailrace.query.promql.parser import parse, parse_selector
from tailrace.query.promql.text import pretty, text

from . import queries

SECOND, MINUTE = 10**9, 60 * 10**9
NAMED = Matcher("__name__", "=", "up")
UP = Selector((NAMED,))
WINDOW = Window(UP, 5 * MINUTE)


PARSED: list[tuple[str, Expression]] = [
    ("up", UP),
    ("up{}", UP),
    ("job:up:sum", Selector((Matcher("__name__", "=", "job:up:sum"),))),
    (":up", Selector((Matcher("__name__", "=", ":up"),))),
    ("rate", Selector((Matcher("__name__", "=", "rate"),))),
    ("sum{a='b'}", Selector((Matcher("__name__", "=", "sum"), Matcher("a", "=", "b")))),
    ('{__name__="up"}', UP),
    ('up{a="b", c!="", d=~`e.*`, f!~"g",}',
     Selector((NAMED, Matcher("a", "=", "b"), Matcher("c", "!=", ""),
               Matcher("d", "=~", "e.*"), Matcher("f", "!~", "g")))),
    ('{"system.cpu", cpu="0"}',
     Selector((Matcher("__name__", "=", "system.cpu"), Matcher("cpu", "=", "0")), quoted=True)),
    ("up offset 5m", Selector((NAMED,), 5 * MINUTE)),
    ("up offset -1h30m", Selector((NAMED,), -90 * MINUTE)),
    ("up @ 12.5 offset 3", Selector((NAMED,), 3 * SECOND, 12_500_000_000)),
    ("up offset 3s @ end()", Selector((NAMED,), 3 * SECOND, "end")),
    ("rate(up[5m])", Call("rate", (WINDOW,))),
    ("rate ( up [300] ) # why", Call("rate", (WINDOW,))),
    ("rate((up[5m] @ start()))",
     Call("rate", (Window(Selector((NAMED,), at="start"), 5 * MINUTE),))),
    ("up[5m:]", Subquery(UP, 5 * MINUTE)),
    ("up[5m:30s] offset 1m", Subquery(UP, 5 * MINUTE, 30 * SECOND, MINUTE)),
    ("rate(up[5m])[1h:1m]", Subquery(Call("rate", (WINDOW,)), 60 * MINUTE, MINUTE)),
    ("sum(up)", Aggregation("sum", UP)),
    ("SUM BY (a, b,) (up)", Aggregation("sum", UP, Grouping(False, ("a", "b")))),
    ("max(up) without (a)", Aggregation("max", UP, Grouping(True, ("a",)))),
    ('sum by ("host.name") (up)', Aggregation("sum", UP, Grouping(False, ("host.name",)))),
    ("topk(5, up)", Aggregation("topk", UP, parameter=Number(5))),
    ('count_values("v", up)', Aggregation("count_values", UP, parameter=Text("v"))),
    ("-up", Negative(UP)),
    ("-1", Number(-1)),
    ("+up", UP),
    ("-2 ^ 2", Negative(Binary("^", Number(2), Number(2)))),
    ("2 ^ -1", Binary("^", Number(2), Number(-1))),
    ("2 ^ 3 ^ 2", Binary("^", Number(2), Binary("^", Number(3), Number(2)))),
    ("1 - 2 - 3", Binary("-", Binary("-", Number(1), Number(2)), Number(3))),
    ("1 + 2 * 3", Binary("+", Number(1), Binary("*", Number(2), Number(3)))),
    ("-up * 2", Binary("*", Negative(UP), Number(2))),
    ("up or up AND up", Binary("or", UP, Binary("and", UP, UP))),
    ("up > bool 1", Binary(">", UP, Number(1), returns_bool=True)),
    ("up / on (a, b) group_left (c) up",
     Binary("/", UP, UP, Matching(True, ("a", "b"), "left", ("c",)))),
    ("up * ignoring (a) group_right up",
     Binary("*", UP, UP, Matching(False, ("a",), "right"))),
    ("1 atan2 2", Binary("atan2", Number(1), Number(2))),
    ("5m", Number(300)), ("0x1F", Number(31)), (".5e3", Number(500)), ("'a\\n'", Text("a\n")),
    ("inF", Number(float("inf"))),
    ("time()", Call("time", ())),
    ("weekly_baseline(up)", Call("weekly_baseline", (UP,))),
    ("weekly_baseline(up, 4)", Call("weekly_baseline", (UP,))),
    ("weekly_robust_zscore(up, 3)", Call("weekly_robust_zscore", (UP, Number(3)))),
    ("round(up)", Call("round", (UP,))),
    ("round(up, 0.1)", Call("round", (UP, Number(0.1)))),
]  # fmt: skip


@pytest.mark.parametrize(("source", "expected"), PARSED)
def test_what_is_parsed(source: str, expected: Expression) -> None:
    assert parse(source) == expected
    assert parse(text(expected)) == expected


REFUSED = [
    ("", "expected an expression, found the end at 1:1"), ("{}", "1:1"), ("up{", "1:4"),
    ("up{a}", "1:5"), ("up{a=b}", "expected a quoted string for the label, found 'b' at 1:6"),
    ("up{a=1}", "1:6"), ('up{a="b" c="d"}', "1:10"),
    ('up{a="b" or c="d"}', "or between matchers is not supported: join two selectors by or"),
    ("up up", "unexpected 'up' at 1:4"), ("up{a=''} = 1", "1:10"), ("1 +", "1:4"),
    ("up[5m][5m]", "1:7"), ("(up)[5m]", "1:5"), ("up[5m:1m][5m:1m]", "not of a range at 1:10"),
    ("up offset 5m[5m]", "the range stands before offset and @ at 1:13"),
    ("up offset 1m offset 1m", "offset is there twice at 1:14"),
    ("sum(up) offset 1m", "goes with a selector, a range or a subquery at 1:9"),
    ("up @ noon", "1:6"), ("up @ 1e12", "1970 to 2261 at 1:6"), ("up offset x", "1:11"),
    ("up[0s]", "above 0 at 1:4"), ("up[11y]", "ten years at 1:4"), ("up[1m1h]", "1:4"),
    ("rate(up)", "rate takes a range such as up[5m] as argument 1, not a vector at 1:1"),
    ("rate()", "rate takes 1 argument, not 0 at 1:1"), ("nothing(up)", "'nothing' at 1:1"),
    ("abs(1)", "abs takes a vector as argument 1, not a number"), ("round(up, up)", "1:1"),
    ("label_join(up, 'a')", "at least 3 arguments, not 2"), ("time(1)", "0 arguments, not 1"),
    ("topk(up)", "topk takes a number and a vector at 1:1"), ("sum(1)", "1:1"),
    ("sum('a')", "sum takes a vector, not a string"), ("count_values(1, up)", "1:1"),
    ("sum by (a:b) (up)", "1:9"), ("sum by (a) by (b) (up)", "1:12"),
    ("1 > 2", "a comparison of two numbers needs bool at 1:3"), ("up + 'a'", "1:4"),
    ("up and 1", "and joins vectors, not numbers at 1:4"), ("up + bool up", "1:6"),
    ("up and on (a) group_left up", "1:4"), ("up + on (a) 1", "for two vectors at 1:4"),
    ("up + on (a) group_left (a) up", "1:13"), ("up group_left up", "1:4"),
    ("up + group_left up", "group_left stands after on or ignoring at 1:6"),
    ("-'a'", "1:1"), ("bool", "1:1"), ('up{"a', "not closed"), ("\n  ?", "2:3"),
    ('up{__name__="down"}', "two names"), ("up{a=~'('}", "RE2"), ('up{a="\\q"}', "escape"),
    ('{a!="x"}', "cannot match an empty value at 1:1"), ('{a=~"x*"}', "empty value"),
    ("(" * 1000, "levels of parentheses"), ("-" * 1000, "levels"), ("2^" * 70 + "2", "TERMS"),
    ("abs(" * 1000, "levels"), ("up{" + 'a="b",' * 65 + "}", "QUERY_TERMS"),
    ("u" * 70_000, "QUERY_TEXT_BYTES"), ("up{a=~'\xff", "closed"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "says"), REFUSED)
def test_what_is_not_is_refused_with_its_place(source: str, says: str) -> None:
    with pytest.raises(QueryError) as error:
        parse(source)
    assert says in str(error.value)


def test_a_selector_alone_is_no_function() -> None:
    assert parse_selector("up") == UP
    for source in ("rate(up[5m])", "1", "sum(up)", "up offset 5m", "up @ 1"):
        with pytest.raises(QueryError, match="expected a selector"):
            parse_selector(source)


@given(queries.expressions())
def test_what_is_printed_is_parsed_back(tree: Expression) -> None:
    assert parse(text(tree)) == tree
    assert parse(pretty(tree)) == tree


@pytest.mark.parametrize("source", ["weekly_baseline(up, 2)", "sum(weekly_robust_zscore(up) > 3)"])
def test_weekly_functions_are_printed_as_they_are_read(source: str) -> None:
    assert text(parse(source)) == source


def test_a_long_query_is_laid_out_over_lines() -> None:
    source = (
        "histogram_quantile(0.99, sum by (le, job) (rate(http_request_duration_seconds_bucket"
        '{code=~"5.."}[5m]))) > on (job) group_left (a) (limit_seconds + 1)'
    )
    assert pretty(parse(source)).splitlines() == [
        "  histogram_quantile(",
        "    0.99,",
        "    sum by (le, job) (",
        '      rate(http_request_duration_seconds_bucket{code=~"5.."}[5m])',
        "    )",
        "  )",
        "> on (job) group_left (a)",
        "  limit_seconds + 1",
    ]


@given(queries.expressions())
def test_another_parser_reads_what_is_printed(tree: Expression) -> None:
    promql_parser.parse(text(tree))


# What the other parser takes though Prometheus does not.
_OTHERWISE = ("+ is for vectors and numbers",)
_PIECES = st.sampled_from([
    "up", "rate", "(", ")", "[5m]", "[5m:1m]", "{", "}", 'a="b"', ",", "sum", " by (a) ", "1", "-",
    " + ", " and ", " or ", " > ", "bool ", " on (a) ", " group_left ", " offset 5m", " @ 5",
    "abs", "topk", "2, ", " unless ", "^", "'x'", "time", " == ",
])  # fmt: skip


@settings(max_examples=examples(120))
@given(st.lists(_PIECES, max_size=10).map("".join))
def test_both_parsers_take_the_same_texts(source: str) -> None:
    ours = theirs = ""
    try:
        parse(source)
    except QueryError as error:
        ours = str(error)
        assert 0 <= error.position <= len(source)
    try:
        promql_parser.parse(source)
    except ValueError as error:
        theirs = str(error)
    if bool(ours) != bool(theirs):
        assert any(one in ours + theirs for one in _OTHERWISE), (source, ours, theirs)


@given(st.text(st.sampled_from("up{}()[]=!~\"'`,+ 5ms.by:@-#\\é\n"), max_size=30))
def test_any_text_is_parsed_or_refused(source: str) -> None:
    try:
        parse(source)
    except QueryError as error:
        assert 0 <= error.position <= len(source)
