"""The small part of PromQL: what is parsed, and what is refused with its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.core.errors import QueryError
from tailrace.query.logql.ast import Matcher
from tailrace.query.promql import Query, parse, parse_selector

UP = Matcher("__name__", "=", "up")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("up", Query((UP,))),
        ("up{}", Query((UP,))),
        ("job:up:sum", Query((Matcher("__name__", "=", "job:up:sum"),))),
        ("rate", Query((Matcher("__name__", "=", "rate"),))),
        ("sum{a='b'}", Query((Matcher("__name__", "=", "sum"), Matcher("a", "=", "b")))),
        ('{__name__="up"}', Query((UP,))),
        ('up{a="b", c!="", d=~`e.*`, f!~"g",}',
         Query((UP, Matcher("a", "=", "b"), Matcher("c", "!=", ""), Matcher("d", "=~", "e.*"),
                Matcher("f", "!~", "g")))),
        ('{"system.cpu", cpu="0"}',
         Query((Matcher("__name__", "=", "system.cpu"), Matcher("cpu", "=", "0")), quoted=True)),
        ('up{"host.name"="h"}', Query((UP, Matcher("host.name", "=", "h")), quoted=True)),
        ("rate(up[5m])", Query((UP,), "rate", 300_000)),
        ("increase ( up [1h30m] ) # why", Query((UP,), "increase", 5_400_000)),
        ("sum(up)", Query((UP,), aggregation="sum")),
        ("sum by (a, b) (up)", Query((UP,), aggregation="sum", by=("a", "b"))),
        ("max(rate(up[500ms])) by (a)", Query((UP,), "rate", 500, "max", ("a",))),
        ('count by ("host.name") (up)',
         Query((UP,), aggregation="count", by=("host.name",), quoted=True)),
        ("avg by () (up)", Query((UP,), aggregation="avg")),
        ("1+1", 2.0),
        ("0.5 + 1e3", 1000.5),
    ],
)  # fmt: skip
def test_what_is_supported(text: str, expected: Query | float) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "1:1"), ("{}", "1:1"), ("up{", "1:4"), ("up{a}", "1:5"), ("up{a=b}", "1:6"),
        ("up{a=1}", "1:6"), ('up{a="b" c="d"}', "1:10"), ('up{a="b" or c="d"}', "1:10"),
        ("up + up", "supported are selectors"), ("up * 2", "1:4"), ("-up", "1:1"),
        ("up offset 5m", "1:4"), ("up @ 0", "1:4"), ("up[5m]", "1:3"), ("rate(up)", "1:8"),
        ("rate(up[5m:1m])", "1:11"), ("rate(up[0s])", "1:9"), ("rate(up[5])", "1:9"),
        ("sum without (a) (up)", "1:5"), ("sum(sum(up))", "sum is no function here"),
        ("histogram_quantile(0.9, up)", "histogram_quantile is no function here"),
        ("topk(5, up)", "topk is no function here"), ("sum(up) by (a) x", "1:16"),
        ("sum by (a:b) (up)", "1:9"), ('up{"a', "not closed"), ("\n  ?", "2:3"),
        ('up{__name__="down"}', "two names"), ("1+", "1:3"), ("1-1", "1:2"),
        ("(" * 1000, "1:1"), ("up{" + 'a="b",' * 65 + "}", "QUERY_TERMS"),
        ("u" * 70_000, "QUERY_TEXT_BYTES"), ('up{a="\\q"}', "escape"), ("up{a=~'\xff", "closed"),
    ],
)  # fmt: skip
def test_what_is_not_is_refused_with_its_place(text: str, says: str) -> None:
    with pytest.raises(QueryError) as error:
        parse(text)
    assert says in str(error.value)


def test_a_selector_alone_is_no_function() -> None:
    assert parse_selector("up") == Query((UP,))
    for text in ("rate(up[5m])", "1", "sum(up)"):
        with pytest.raises(QueryError):
            parse_selector(text)


@given(st.text(st.sampled_from("up{}()[]=!~\"'`,+ 5ms.by:#\\é\n"), max_size=30))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        parse(text)
    except QueryError as error:
        assert 0 <= error.position <= len(text)
