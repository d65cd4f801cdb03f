"""Templates of one evaluation: what they may ask, and what they may cost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.alerts.templating.cases import AT_NS, LABELS, OUTSIDE, UP, Found, expand
from tests.examples import examples

from tailrace.alerts.templating.annotator import Annotator, Ask
from tailrace.alerts.templating.functions import FUNCTIONS
from tailrace.alerts.templating.template import Template
from tailrace.core.errors import QueryError
from tailrace.core.limits import (
    ALERT_TEMPLATE_QUERIES,
    ALERT_TEMPLATE_SAMPLES,
    ALERT_TEXT_CHARS,
)


class Asked:
    """Keeps the queries, and answers with `found` or raises it."""

    def __init__(self, found: Found | Exception = UP) -> None:
        self.found = found
        self.queries: list[str] = []

    async def __call__(self, query: str) -> Found:
        self.queries.append(query)
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


def texts(ask: Ask, *written: str, clock: Callable[[], float] | None = None) -> list[str]:
    async def run() -> list[str]:
        annotator = Annotator(AT_NS, OUTSIDE, ask, *([clock] if clock else []))
        templates = [(str(n), Template(one)) for n, one in enumerate(written)]
        return [text for _, text in await annotator.texts(templates, LABELS, 5.0)]

    return asyncio.run(run())


def test_what_one_text_asked_is_known_to_the_others() -> None:
    asked = Asked()
    found = texts(asked, '{{ len (query "a") }}{{ len (query "b") }}', '{{ len (query "a") }}')
    assert found == ["22", "2"]
    assert asked.queries == ["a", "b"]


def test_a_query_may_be_made_of_labels() -> None:
    asked = Asked()
    texts(asked, "{{ query (printf `up{job=%q}` $labels.job) | first | value }}")
    assert asked.queries == ['up{job="api"}']


def test_a_query_that_is_refused_makes_an_error_and_is_not_asked_again() -> None:
    asked = Asked(QueryError("no such metric"))
    error = "<error expanding template: query: no such metric>"
    assert texts(asked, '{{ query "a" }}', '{{ query "a" }}') == [error, error]
    assert asked.queries == ["a"]


def test_a_query_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tailrace.alerts.templating.annotator.ALERT_TEMPLATE_QUERY_S", 0.01)

    async def hangs(_query: str) -> Found:
        await asyncio.Event().wait()
        return []

    first, second = texts(hangs, '{{ query "a" }}', '{{ query "b" }}')
    assert first == second == "<error expanding template: query: it takes too long>"


def test_there_are_so_many_queries_and_no_more() -> None:
    asked = Asked()
    written = [f'{{{{ len (query "{n}") }}}}' for n in range(ALERT_TEMPLATE_QUERIES + 1)]
    *others, last = texts(asked, *written)
    assert set(others) == {"2"}
    assert "more than 200 queries" in last
    assert len(asked.queries) == ALERT_TEMPLATE_QUERIES


def test_a_query_that_finds_too_much_makes_an_error() -> None:
    asked = Asked([({}, 1.0)] * (ALERT_TEMPLATE_SAMPLES + 1))
    assert "more than 1000 samples" in texts(asked, '{{ query "a" }}')[0]


def test_errors_are_counted_and_the_other_texts_stand() -> None:
    async def run() -> tuple[int, list[str]]:
        annotator = Annotator(AT_NS, OUTSIDE, Asked())
        templates = [(one, Template(one)) for one in ("{{ .nosuch }}", "{{ nosuch }}", "fine")]
        found = await annotator.texts(templates, {}, 1.0)
        return annotator.failed, [text for _, text in found]

    failed, (*wrong, right) = asyncio.run(run())
    assert right == "fine"
    assert all(one.startswith("<error expanding template: ") for one in wrong)
    assert failed == 2


HOSTILE = [
    '{{ define "x" }}{{ template "x" }}{{ template "x" }}{{ end }}{{ template "x" }}',
    '{{ range query "a" }}{{ range query "a" }}{{ range query "a" }}{{ end }}{{ end }}{{ end }}',
    '{{ $x := "aaaaaaaaaaaaaaaa" }}{{ range query "a" }}{{ $x = print $x $x }}{{ end }}',
    "{{ printf `%1000000d` 1 }}{{ printf `%1000000d` 1 }}",
    '{{ reReplaceAll "a*" "$0$0$0$0$0$0$0$0" (printf "%100000d" 1) }}',
    "{{ range query `a` }}{{ range query `a` }}" + "{{ if . }}{{ end }}" * 700 + "{{ end }}{{end}}",
    "{{ " + "(" * 40 + "1" + ")" * 40 + " }}",
    "{{ if 1 }}" * 40 + "{{ end }}" * 40,
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_template_ends_in_an_error(text: str) -> None:
    asked = Asked([({}, 1.0)] * ALERT_TEMPLATE_SAMPLES)
    assert texts(asked, text)[0].startswith("<error expanding template: ")


def test_deep_blocks_in_templates_that_call_one_another_are_no_trouble() -> None:
    body = "{{ if . }}" * 29 + '{{ template "x" . }}' + "{{ end }}" * 29
    found = expand('{{ define "x" }}' + body + '{{ end }}{{ template "x" 1 }}')
    assert "call one another more than 8 deep" in found


def test_a_text_is_no_longer_than_it_may_be() -> None:
    assert "writes more than 16384" in expand("{{ printf `%20000d` 1 }}")
    assert len(expand("{{ printf `%16384d` 1 }}")) == ALERT_TEXT_CHARS


def test_one_text_has_its_time() -> None:
    times = iter(range(1_000))
    slow = texts(Asked(), "{{ range $labels }}{{ . }}{{ end }}", clock=lambda: next(times) * 0.3)
    assert slow == ["<error expanding template: it takes too long>"]


def test_all_texts_together_have_their_time() -> None:
    times = iter(range(1_000))
    found = texts(Asked(), *["{{ len $labels }}"] * 50, clock=lambda: next(times) * 0.04)
    assert found[0] == "4"
    assert found[-1] == "<error expanding template: it takes too long>"


TOKENS = st.sampled_from(
    ["{{", "}}", "{{-", "-}}", " ", "if", "range", "else", "end", "with", "break", "define",
     "template", "block", ".", ".Labels", "$", "$labels", "$value", "$x", ":=", "|", "(", ")", "5",
     '"s"', "`up`", "query", "first", "{{end}}", "{{if .Value}}", '{{define "s"}}', "now",
     '{{template "s" .}}', "{{range query `up`}}", *FUNCTIONS]
)  # fmt: skip
WRITTEN = st.lists(TOKENS, max_size=25).map(" ".join) | st.lists(TOKENS, max_size=25).map("".join)


@given(WRITTEN, st.floats(), st.text(st.characters(exclude_categories=()), max_size=20))
@settings(max_examples=examples(150), deadline=None)
def test_whatever_is_written_becomes_a_text(written: str, value: float, label: str) -> None:
    assert len(expand(written, value, [({"s": label}, value)])) <= ALERT_TEXT_CHARS
