"""Each function of alerts' templates, with what Prometheus' algorithm gives for it."""

from __future__ import annotations

import pytest
from tests.alerts.templating.cases import UP, expand

from tailrace.alerts.templating.functions import FUNCTIONS
from tailrace.alerts.templating.template import READING

HUMANIZE = {
    "0": "0", "0.0": "0", "1": "1", "-1": "-1", "999": "999", "999.94": "999.9", "999.96": "1000",
    "1000": "1k", "1234567": "1.235M", "-1234567": "-1.235M", "1e24": "1Y", "1e30": "1e+06Y",
    ".12": "120m", "0.000001": "1u", "-0.0005": "-500u", "1e-30": "1e-06y",
    "+Inf": "+Inf", "-Inf": "-Inf", "NaN": "NaN",
}  # fmt: skip
HUMANIZE_1024 = {
    "0": "0", "1": "1", "-1": "-1", ".12": "0.12", "1023": "1023", "1024": "1ki",
    "1536": "1.5ki", "1048576": "1Mi", "-1048576": "-1Mi", "1e25": "8.272Yi",
    "9223372036854775807": "8Ei", "Inf": "+Inf", "NaN": "NaN",
}  # fmt: skip
DURATION = {
    "0": "0s", "1": "1s", "-1": "-1s", "59.99": "59.99s", "60": "1m 0s", "60.5": "1m 0s",
    "899.99": "14m 59s", "3600": "1h 0m 0s", "3661": "1h 1m 1s", "86400": "1d 0h 0m 0s",
    "90000": "1d 1h 0m 0s", "-183845": "-2d 3h 4m 5s", "1234567": "14d 6h 56m 7s",
    ".1": "100ms", ".0001": "100us", ".12345": "123.5ms", "-.5": "-500ms", "1.2345": "1.234s",
    "12.345": "12.35s", "1e-12": "1ps", "+Inf": "+Inf", "NaN": "NaN",
}  # fmt: skip
PERCENTAGE = {
    "-0.22222": "-22.22%", "0": "0%", "0.1234567": "12.35%", "1.23456": "123.5%",
    "1234567": "1.235e+08%", "NaN": "NaN%", "Inf": "+Inf%",
}  # fmt: skip
TIMESTAMP = {
    "0": "1970-01-01 00:00:00 +0000 UTC", "-1": "1969-12-31 23:59:59 +0000 UTC",
    "1435065584.128": "2015-06-23 13:19:44.128 +0000 UTC",
    "1435065584.1289": "2015-06-23 13:19:44.128 +0000 UTC",
    "9223372036": "2262-04-11 23:47:16 +0000 UTC", "-Inf": "-Inf", "NaN": "NaN",
}  # fmt: skip
NUMBERS = [
    (f"{function} {argument}", becomes)
    for function, table in (
        ("humanize", HUMANIZE),
        ("humanize1024", HUMANIZE_1024),
        ("humanizeDuration", DURATION),
        ("humanizePercentage", PERCENTAGE),
        ("humanizeTimestamp", TIMESTAMP),
    )
    for number, becomes in table.items()
    for argument in (
        [f'"{number}"'] if number[-1] in "fN" or number[0] == "+" else [f'"{number}"', number]
    )
]
TEXTS = [
    ('title "aa bb CC"', "Aa Bb CC"),
    ('toUpper "aa bb CC"', "AA BB CC"),
    ('toLower "aA bB CC"', "aa bb cc"),
    ('match "a+" "baab"', "true"),
    ('match "^a+$" "b"', "false"),
    ('reReplaceAll "(a)b" "x$1" "ab"', "xa"),
    ('reReplaceAll "localhost:(.*)" "my.domain:$1" "localhost:3000"', "my.domain:3000"),
    ('reReplaceAll "(?P<name>.)b" "${name}c$$$1z" "ab"', "ac$"),
    ('join ", " (slice (query "up") 0 0)', ""),
    ('stripPort "foo.example.com"', "foo.example.com"),
    ('stripPort "foo.example.com:12345"', "foo.example.com"),
    ('stripPort "192.0.2.1"', "192.0.2.1"),
    ('stripPort "192.0.2.1:12345"', "192.0.2.1"),
    ('stripPort "2001:0DB8::1"', "2001:0DB8::1"),
    ('stripPort "[2001:0DB8::1]:12345"', "2001:0DB8::1"),
    ('stripPort "[2001:0DB8::1]::12345"', "[2001:0DB8::1]::12345"),
    ('stripPort "[2001:0DB8::1]"', "[2001:0DB8::1]"),
    ('stripPort "a[b:1"', "a[b:1"),
    ('stripDomain "foo.example.com"', "foo"),
    ('stripDomain "foo.example.com:12345"', "foo:12345"),
    ('stripDomain "192.0.2.1:12345"', "192.0.2.1:12345"),
    ('stripDomain "2001:0DB8::1"', "2001:0DB8::1"),
    ('stripDomain "[2001:0DB8::1]:12345"', "[2001:0DB8::1]:12345"),
    ('graphLink "up > 1"', "/graph?g0.expr=up+%3E+1&g0.tab=0"),
    ('tableLink "up"', "/graph?g0.expr=up&g0.tab=1"),
    ("externalURL", "https://logs.example.org/tail"),
    ("pathPrefix", "/tail"),
    ('safeHtml "<b>"', "<b>"),
    ('html "<b>"', "&lt;b&gt;"),
    ('urlQueryEscape "a b&c=é"', "a+b%26c%3D%C3%A9"),
    ('urlquery "a b"', "a+b"),
    ('printf "%0.2f" (parseDuration "1h2m10ms")', "3720.01"),
    ('parseDuration "0"', "0"),
    ("now", "1.7672256005e+09"),
    ("now | humanizeTimestamp", "2026-01-01 00:00:00.5 +0000 UTC"),
    ("toTime 0", "1970-01-01 00:00:00 +0000 UTC"),
    ("(toTime 0).String", "1970-01-01 00:00:00 +0000 UTC"),
    ('args 1 "b"', "map[arg0:1 arg1:b]"),
]
QUERIES = [
    ('query "up" | first | value', "1"),
    ('query "up" | first | label "job"', "b"),
    ('query "up" | first | label "nosuch"', ""),
    ('query "up" | first | strvalue', ""),
    ('(query "up" | first).Labels.job', "b"),
    ('query "up" | sortByLabel "job" | first | label "job"', "a"),
    ('len (query "up")', "2"),
    ('query "up" | first', "{map[__name__:up job:b] 1}"),
]


@pytest.mark.parametrize(("text", "becomes"), NUMBERS + TEXTS + QUERIES)
def test_a_function_gives_what_prometheus_gives(text: str, becomes: str) -> None:
    assert expand(f"{{{{ {text} }}}}") == becomes


def test_samples_are_gone_through_in_order_of_a_label() -> None:
    text = '{{ range query "up" | sortByLabel "job" }}{{ .Labels.job }}:{{ .Value }} {{ end }}'
    assert expand(text) == "a:0.5 b:1 "


def test_the_text_of_a_value_is_its_label() -> None:
    assert expand('{{ query "x" | first | strvalue }}', found=[({"__value__": "a"}, 1)]) == "a"


FAILING = [
    ('humanize "one"', "'one' is no number"),
    ("humanize true", "bool is no number"),
    ("humanizeTimestamp 9223372037", "are no time"),
    ('toTime "NaN"', "are no time"),
    ('parseDuration "soon"', "'soon' is no duration"),
    ('match "(" "a"', "'(' is not valid RE2"),
    ('reReplaceAll "a" 1 "a"', "reReplaceAll: expected string, found int"),
    ('value (query "up")', "value: expected a sample, found []interface {}"),
    ('label "job" .', "label: expected a sample, found struct"),
    ('join "," "a"', "join: expected a list, found string"),
]


@pytest.mark.parametrize(("text", "says"), FAILING)
def test_a_function_says_what_it_cannot_do(text: str, says: str) -> None:
    assert says in expand(f"{{{{ {text} }}}}")


def test_the_first_of_no_samples_is_an_error() -> None:
    text = '{{ query "up" | first | value }}'
    assert expand(text, found=[]) == "<error expanding template: first: there are no samples>"


def test_no_samples_are_as_false_as_an_empty_text() -> None:
    text = '{{ with query "up" }}{{ . | first | value }}{{ else }}none{{ end }}'
    assert (expand(text), expand(text, found=[])) == ("1", "none")


def test_every_function_is_tried_here() -> None:
    tried = " ".join(text for text, _ in NUMBERS + TEXTS + QUERIES)
    ours = {"and", "or", *FUNCTIONS, *READING}
    of_go = {"and", "eq", "ge", "gt", "index", "le", "len", "lt", "ne", "not", "or", "print",
             "println", "slice"}  # fmt: skip
    assert {name for name in ours - of_go if name not in tried} == set()
    assert len(UP) == 2
