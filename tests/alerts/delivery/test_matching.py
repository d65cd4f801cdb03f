"""Matchers as Alertmanager reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.alerts.delivery.matching import parse, predicate, written
from tailrace.core.alerting import Matcher


@pytest.mark.parametrize(
    ("text", "matchers"),
    [
        ('severity="page"', [("severity", "=", "page")]),
        ("severity=page", [("severity", "=", "page")]),
        ("foo=bar,dings!=bums", [("foo", "=", "bar"), ("dings", "!=", "bums")]),
        ('{foo = "bar", dings != "bums", }', [("foo", "=", "bar"), ("dings", "!=", "bums")]),
        ('statuscode=~"5.."', [("statuscode", "=~", "5..")]),
        ('name!~"a|b"', [("name", "!~", "a|b")]),
        (
            '{quote="She said: \\"Hi, ladies! That\'s gender-neutral…\\""}',
            [("quote", "=", 'She said: "Hi, ladies! That\'s gender-neutral…"')],
        ),
        ('"host.name"="web 1"', [("host.name", "=", "web 1")]),
        ('{"überschrift 🙂"=~"x{1,3}"}', [("überschrift 🙂", "=~", "x{1,3}")]),
        ('path=~"\\d+\\\\."', [("path", "=~", "\\d+\\.")]),
        ('foo=""', [("foo", "=", "")]),
        ("foo=", [("foo", "=", "")]),
        ('text="two\\nlines"', [("text", "=", "two\nlines")]),
    ],
)
def test_a_list_is_read(text: str, matchers: list[tuple[str, str, str]]) -> None:
    assert parse(text) == tuple(Matcher(*one) for one in matchers)


@pytest.mark.parametrize(
    "text",
    ["", "{}", "severity", '="page"', 'a="b', 'a="b"c', 'a=~"("', '{a="b"', 'a="b",,', "a=b}"],
)
def test_what_is_no_list_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "labels", "expected"),
    [
        ('a="b"', {"a": "b"}, True),
        ('a="b"', {}, False),
        ('a=""', {}, True),
        ('a!="b"', {}, True),
        ('a!=""', {}, False),
        ('a=~"b|c"', {"a": "c"}, True),
        ('a=~"b|c"', {"a": "xc"}, False),
        ('a=~"b"', {"a": "b\n"}, False),
        ('a=~".*"', {}, True),
        ('a!~".+"', {}, True),
        ('a!~"b"', {"a": "bb"}, True),
        ('a="b",c="d"', {"a": "b"}, False),
        ('a="b",c="d"', {"a": "b", "c": "d"}, True),
    ],
)
def test_a_label_set_matches(text: str, labels: dict[str, str], expected: bool) -> None:
    assert predicate(parse(text))(labels) is expected


TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=12)


@given(TEXT.filter(bool), st.sampled_from(["=", "!="]), TEXT)
def test_what_is_written_is_read_as_it_was(name: str, op: str, value: str) -> None:
    matcher = Matcher(name, op, value)
    assert parse(written(matcher)) == (matcher,)
