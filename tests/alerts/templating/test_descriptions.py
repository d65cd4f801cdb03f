"""What becomes of the series of a rule: the labels and annotations of its alerts."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st
from tests.alerts.evaluation.answers import NOW_S, Answers, group
from tests.alerts.templating.cases import OUTSIDE

from tailrace.alerts.evaluation.state import Held, Owner
from tailrace.alerts.evaluation.turn import Seen
from tailrace.alerts.rule import Group, Rule
from tailrace.alerts.templating.descriptions import Descriptions, fitting
from tailrace.core import alertbounds
from tailrace.core.alerting import Alert, Labels, Phase
from tailrace.core.errors import QueryError
from tailrace.core.metrics import Metrics

S = 1_000_000_000
SERIES: Labels = (("__name__", "up"), ("host", "a"), ("severity", "of the series"))


class Desk:
    def __init__(self, answers: Answers | None = None) -> None:
        self.answers = answers or Answers()
        self.metrics = Metrics()
        self._describe = Descriptions(OUTSIDE, self.answers, self.metrics)

    def held(self, one: Group, *found: Seen) -> list[Held]:
        owner = Owner("shop", "r1", one.rules[0])
        return asyncio.run(self._describe(owner, one, NOW_S * S, found or [Seen(SERIES, 5.0)]))


def rule(*labels: tuple[str, str], annotations: Labels = (), **more: int) -> Rule:
    return Rule("up", "promql", alert="Down", labels=labels, annotations=annotations, **more)


def test_labels_are_of_the_series_then_of_the_group_then_of_the_rule() -> None:
    one = group(rule(("severity", "page")), labels=(("team", "a"), ("severity", "none")))
    [held] = Desk().held(one)
    assert dict(held.labels) == {
        "alertname": "Down", "host": "a", "severity": "page", "team": "a",
    }  # fmt: skip
    assert held.labels == tuple(sorted(held.labels))


def test_a_label_that_comes_out_empty_is_none() -> None:
    [held] = Desk().held(group(rule(("host", "{{ $labels.nosuch }}"), ("severity", ""))))
    assert held.labels == (("alertname", "Down"),)


def test_nothing_else_can_be_the_name_of_an_alert() -> None:
    [held] = Desk().held(group(rule(("alertname", "{{ $value }}"))))
    assert dict(held.labels)["alertname"] == "Down"


def test_templates_see_the_series_with_its_name_and_not_the_labels_of_the_rule() -> None:
    text = "{{ $labels.__name__ }} {{ $labels.severity }} {{ $labels.team }}"
    one = group(rule(("severity", "page"), ("team", "a"), annotations=(("text", text),)))
    [held] = Desk().held(one)
    assert held.annotations == (("text", "up of the series "),)


def test_annotations_are_filled_in_and_sorted_and_may_be_empty() -> None:
    written = (("b", "{{ $value }}"), ("a", "{{ $labels.nosuch }}"))
    [held] = Desk().held(group(rule(annotations=written)))
    assert held.annotations == (("a", ""), ("b", "5"))
    assert held.value == 5.0


def test_a_text_that_fails_is_counted_and_the_alert_stands() -> None:
    desk = Desk()
    [held] = desk.held(group(rule(annotations=(("a", "{{ .nosuch }}"),))))
    assert held.annotations[0][1].startswith("<error expanding template: ")
    assert desk.metrics.get("tailrace_rule_failures_total", "template") == 1


def test_queries_are_asked_as_of_the_slot_less_the_offset_and_once_for_all_alerts() -> None:
    answers = Answers({"x": lambda second: {(("s", f"{second}"),): 1.0}})
    text = '{{ query "x" | first | label "s" }}'
    one = group(rule(annotations=(("a", text),), offset_ns=30 * S))
    held = Desk(answers).held(one, Seen(SERIES, 1.0), Seen((("host", "b"),), 2.0))
    assert [one.annotations for one in held] == [(("a", f"{NOW_S - 30}"),)] * 2
    assert len(answers.asked) == 1


def test_annotations_that_the_next_slot_makes_anew_are_left_out() -> None:
    one = group(rule(annotations=(("a", "{{ $value }}"),)))
    first, second = Desk().held(one, Seen(SERIES, 1.0, False), Seen((("host", "b"),), 2.0))
    assert (first.annotations, second.annotations) == ((), (("a", "2"),))


def test_they_are_made_where_the_series_may_be_another_alert_then() -> None:
    one = group(rule(("v", "{{ $value }}"), annotations=(("a", "{{ $value }}"),)))
    [held] = Desk().held(one, Seen(SERIES, 1.0, False))
    assert held.annotations == (("a", "1"),)


def test_a_query_that_is_refused_makes_no_alert_fail() -> None:
    desk = Desk(Answers({"x": QueryError("too much")}))
    [held] = desk.held(group(rule(annotations=(("a", '{{ query "x" }}'),))))
    assert held.annotations == (("a", "<error expanding template: query: too much>"),)


def test_what_is_too_long_to_be_kept_is_cut_and_stays_another_alert() -> None:
    series = [Seen((("host", "a" * 9_000 + end),), 1.0) for end in "xy"]
    written = (("a", "{{ printf `%12000d` 1 }}"), ("b", "{{ printf `%12000d` 1 }}"), ("c", "short"))
    first, second = Desk().held(group(rule(annotations=written)), *series)
    assert first.labels != second.labels
    for held in (first, second):
        alert = Alert("shop", "r1", held.labels, held.annotations, Phase.FIRING, 1.0, 1)
        assert alertbounds.alert(alert) == ""
        assert dict(held.annotations)["c"] == "short"


@given(
    st.dictionaries(st.text(max_size=5), st.text(max_size=50), max_size=8),
    st.integers(50, 200),
)
def test_texts_are_cut_to_what_fits_and_no_further(texts: dict[str, str], most: int) -> None:
    found = fitting(tuple(texts.items()), most)
    size = sum(len(name) + len(text) for name, text in found)
    assert size <= most
    if found != tuple(texts.items()):
        assert size > most - len(texts)
