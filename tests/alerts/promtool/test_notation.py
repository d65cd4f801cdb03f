"""Series and values as unit tests of rules write them."""

from __future__ import annotations

import math

import pytest

from tailrace.alerts.promtool.notation import BadNotation, labels, shown, values

VALUES = [
    ("", ()),
    ("1 2.5 -3 .5 1e3", (1.0, 2.5, -3.0, 0.5, 1000.0)),
    ("1+1x3", (1.0, 2.0, 3.0, 4.0)),
    ("-2+4x3", (-2.0, 2.0, 6.0, 10.0)),
    ("1-2x4", (1.0, -1.0, -3.0, -5.0, -7.0)),
    ("1x2", (1.0, 1.0, 1.0)),
    ("0x5", (0.0,) * 6),
    ("0+0x1 5", (0.0, 0.0, 5.0)),
    ("_ 1 _x3 stale", (None, 1.0, None, None, None, "stale")),
    ("Inf -Inf +Inf", (math.inf, -math.inf, math.inf)),
    ("0.1+0.1x2", (0.1, 0.2, 0.1 + 0.1 + 0.1)),
    ("  1\n 2  ", (1.0, 2.0)),
]


@pytest.mark.parametrize(("text", "found"), VALUES)
def test_a_notation_stands_for_values(text: str, found: tuple[object, ...]) -> None:
    assert values(text) == found


def test_nan_is_a_value() -> None:
    [found] = values("NaN")
    assert isinstance(found, float) and math.isnan(found)


@pytest.mark.parametrize(
    ("text", "at", "says"),
    [
        ("1 2 three", 4, "'three' is none of"),
        ("1+x3", 0, "is none of"),
        ("stalex3", 0, "is none of"),
        ("{{schema:0}}", 0, "histograms are not supported"),
        ("1 0x10", 2, "more than 5 samples"),
        ("_x999999999", 0, "more than 5 samples"),
    ],
)
def test_what_is_no_notation_is_told_with_its_place(text: str, at: int, says: str) -> None:
    with pytest.raises(BadNotation, match=says) as caught:
        values(text, 5)
    assert caught.value.at == at


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("up", (("__name__", "up"),)),
        ('up{job="a", host="b"}', (("__name__", "up"), ("host", "b"), ("job", "a"))),
        ('{job="a"}', (("job", "a"),)),
        ('{"system.cpu", job="a"}', (("__name__", "system.cpu"), ("job", "a"))),
        ('up{job=""}', (("__name__", "up"),)),
        ("{}", ()),
        ("", ()),
    ],
)
def test_a_series_is_its_labels(text: str, found: object) -> None:
    assert labels(text) == found


@pytest.mark.parametrize(
    "text", ['up{job=~"a"}', "up[5m]", "sum(up)", "up offset 5m", "up{", 'up{a="1",a="2"}']
)
def test_what_is_no_series_is_refused(text: str) -> None:
    with pytest.raises(BadNotation):
        labels(text)


@pytest.mark.parametrize("text", ["up", 'up{a="b", c="d"}', '{a="b"}', "{}", r'{a="\"\\\n"}'])
def test_labels_are_shown_as_they_are_read(text: str) -> None:
    assert shown(labels(text)) == text
