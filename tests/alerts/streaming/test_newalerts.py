"""What is told of new errors: one alert each while they are few, and one for many."""

from __future__ import annotations

from urllib.parse import parse_qs, urlparse

from hypothesis import given
from hypothesis import strategies as st

from tailrace.alerts.evaluation.state import Held
from tailrace.alerts.streaming.newalerts import held, shown
from tailrace.alerts.streaming.novelty import New
from tailrace.core import limits
from tailrace.core.alerting import Alert, Labels, Phase
from tailrace.query.logql.parser import parse_log
from tailrace.query.patterns.errors import Lines

FIRST_NS = 1_767_225_600 * 10**9


def new(statement: str, service: str = "shop", number: int = 1) -> New:
    return New(service, statement, Lines(number, FIRST_NS))


def firing(*some: Held) -> dict[Labels, Alert]:
    return {
        one.labels: Alert("t", "r", one.labels, (), Phase.FIRING, one.value, 1, 1) for one in some
    }


def kinds(count: int, service: str = "shop") -> list[New]:
    return [new(f"kind {'x' * n}", service) for n in range(1, count + 1)]


def test_an_alert_says_what_of_which_service_how_often_since_when_and_how_to_see_it() -> None:
    [one] = held([new("charge of <_> failed", number=12)], {}, "https://logs.example/")
    assert dict(one.labels) == {
        "alertname": "NewErrorPattern", "severity": "warning", "service_name": "shop",
        "pattern": "charge of <_> failed",
    }  # fmt: skip
    said = dict(one.annotations)
    query = '{service_name="shop", level=~"error|fatal"} |> "charge of <_> failed"'
    link = said.pop("link")
    assert said == {
        "summary": "shop logs an error that it never logged before: charge of <_> failed",
        "lines": "12", "first": "2026-01-01T00:00:00Z", "query": query,
    }  # fmt: skip
    assert parse_qs(urlparse(link).query)["q"] == [query]
    assert one.value == 12


def test_a_service_without_a_name_has_no_such_label() -> None:
    [one] = held([new("x", service="")], {})
    assert "service_name" not in dict(one.labels)
    assert dict(one.annotations)["query"] == '{level=~"error|fatal"} |> "x"'


def test_many_at_once_are_one_alert_that_says_how_many() -> None:
    assert len(held(kinds(limits.NEW_PATTERNS_OF_SERVICE), {})) == limits.NEW_PATTERNS_OF_SERVICE
    [one] = held(kinds(1_000), {})
    assert dict(one.labels) == {
        "alertname": "NewErrorPattern", "severity": "warning", "service_name": "shop",
    }  # fmt: skip
    said = dict(one.annotations)
    assert said["summary"] == ("shop logs 1000 kinds of errors that were never logged there before")
    assert said["query"] == '{service_name="shop", level=~"error|fatal"}'


def test_those_that_fire_count_and_the_one_for_many_counts_on() -> None:
    few = held(kinds(3), {})
    [many] = held([new("other"), new("another"), new("third")], firing(*few))
    assert (len(many.labels), many.value) == (3, 3.0)
    [more] = held(kinds(9), firing(*few, many))
    assert (more.labels, more.value) == (many.labels, 12.0)


def test_one_that_fires_already_is_no_other() -> None:
    some = held(kinds(5), {})
    assert held(kinds(5), firing(*some)) == some


def test_services_do_not_count_for_one_another() -> None:
    found = held([*kinds(9, "a"), *kinds(2, "b")], {})
    assert [dict(one.labels).get("pattern") for one in found] == [None, "kind x", "kind xx"]


def test_of_many_services_there_is_one_alert() -> None:
    some = [new("x", f"s{n:04}") for n in range(limits.NEW_PATTERN_ALERTS + 7)]
    found = held([*some, *kinds(20, "z")], {})
    assert len(found) == limits.NEW_PATTERN_ALERTS + 1
    assert dict(found[-1].labels) == {"alertname": "NewErrorPattern", "severity": "warning"}
    assert found[-1].value == 27


def test_a_long_statement_is_cut_to_a_pattern_of_the_same_lines() -> None:
    long = "a word and <_> " * 100
    for cut in range(20):
        text = shown(("b" * cut) + long)
        assert len(text) <= limits.NEW_PATTERN_CHARS
        assert text.endswith("<_>")
        parse_log('{a="b"} |> "' + text + '"')


def test_two_that_are_alike_where_they_are_cut_are_one_alert() -> None:
    long = "word " * 200
    [one] = held([new(long + "a", number=2), new(long + "b", number=3)], {})
    assert one.value == 5


@given(st.text(max_size=30), st.text(max_size=400))
def test_whatever_is_logged_its_query_can_be_asked(service: str, statement: str) -> None:
    for one in held([new(statement, service)], {}):
        parse_log(dict(one.annotations)["query"])
