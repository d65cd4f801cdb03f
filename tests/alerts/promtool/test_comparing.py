"""Differences as people are shown them."""

from __future__ import annotations

import math

from tailrace.alerts.promtool import comparing
from tailrace.alerts.promtool.suite import AlertTest, ExpectedAlert, ExprTest
from tailrace.core.alerting import Alert, Labels, Phase

EXPECTED = ExpectedAlert((("job", "a"),), (("summary", "a is down"),))
LABELS: Labels = (("alertname", "Down"), ("job", "a"))


def firing(labels: Labels = LABELS, summary: str = "a is down") -> Alert:
    return Alert("t", "r", labels, (("summary", summary),), Phase.FIRING, 1.0, 1)


def alerts(expected: ExpectedAlert, *found: Alert) -> str:
    return comparing.alerts(AlertTest(0, "Down", (expected,), 1), found)


def samples(wanted: float, found: float, fuzzy: bool = False) -> str:
    test = ExprTest(0, "up", (((), wanted),), 1)
    return comparing.samples(test, [((), found)], fuzzy)


def test_there_is_no_difference_where_all_is_as_expected() -> None:
    assert alerts(EXPECTED, firing()) == ""


def test_a_label_that_is_otherwise_shows_side_by_side() -> None:
    found = alerts(EXPECTED, firing((("alertname", "Down"), ("job", "b"))))
    assert found == (
        '    - {alertname="Down", job="a"}\n'
        '    + {alertname="Down", job="b"}\n'
        "          summary: a is down"
    )


def test_an_annotation_that_is_otherwise_shows_alone() -> None:
    assert alerts(EXPECTED, firing(summary="b is down")) == (
        '      {alertname="Down", job="a"}\n'
        "    -     summary: a is down\n"
        "    +     summary: b is down"
    )


def test_alerts_that_do_not_fire_are_missed() -> None:
    lines = alerts(EXPECTED).splitlines()
    assert '    - {alertname="Down", job="a"}' in lines
    assert "    + nothing" in lines


def test_samples_show_with_their_values() -> None:
    assert samples(1.0, 2.0) == "    - {} 1\n    + {} 2"


def test_numbers_are_equal_to_the_last_bit_or_nearly() -> None:
    assert samples(0.3, 0.1 + 0.2) != ""
    assert samples(0.3, 0.1 + 0.2, fuzzy=True) == ""
    assert samples(0.3, 0.3 + 1e-14, fuzzy=True) != ""


def test_no_number_is_equal_to_itself() -> None:
    assert samples(math.nan, math.nan) == ""
    assert samples(math.nan, 1.0) != ""
