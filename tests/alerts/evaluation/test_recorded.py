"""What a recording rule makes of its series."""

from __future__ import annotations

from tests.alerts.evaluation.answers import NOW_S, group

from tailrace.alerts.evaluation.recorded import recorded
from tailrace.alerts.evaluation.state import Owner
from tailrace.alerts.rule import Rule
from tailrace.core.alerting import Labels
from tailrace.core.sample import Sample
from tailrace.query.matrix.matrix import matrix_of

S = 1_000_000_000
NOW = NOW_S * S
A: Labels = (("__name__", "up"), ("job", "a"))
B: Labels = (("job", "b"),)
RULE = Rule("up", "promql", record="job:up", labels=(("team", "x"),))
GROUP = group(RULE, labels=(("team", "none"), ("zone", "eu")))


def made(found: dict[Labels, list[float | None]], *before: Labels) -> list[Sample]:
    steps = len(next(iter(found.values()))) if found else 1
    owner = Owner("shop", "r1", RULE)
    return recorded(GROUP, owner, matrix_of(found, steps), NOW, before)


def test_labels_of_the_rule_win_over_its_groups_and_these_over_the_series() -> None:
    [sample] = made({(*A, ("zone", "us")): [5.0]})
    assert sample.name == "job:up"
    assert sample.attributes == {"job": "a", "team": "x", "zone": "eu"}
    assert (sample.value, sample.time) == (5.0, NOW)


def test_each_slot_has_its_own_sample() -> None:
    assert [(one.time, one.value) for one in made({A: [1.0, None, 3.0]}) if not one.stale] == [
        (NOW - 30 * S, 1.0), (NOW, 3.0),
    ]  # fmt: skip


def test_a_series_that_ends_is_marked_once() -> None:
    ended = [one.time for one in made({A: [1.0, None, None], B: [1.0, 1.0, 1.0]}) if one.stale]
    assert ended == [NOW - 15 * S]


def test_a_series_that_was_there_before_and_is_gone_is_marked_at_the_first_slot() -> None:
    [ended] = [one for one in made({B: [1.0, 1.0]}, A, B) if one.stale]
    assert (ended.time, ended.attributes["job"], ended.value) == (NOW - 15 * S, "a", "NaN")


def test_a_series_that_goes_on_is_not_marked() -> None:
    assert not any(one.stale for one in made({A: [1.0]}, A))


def test_all_that_is_gone_is_marked_where_nothing_is_left() -> None:
    assert [one.attributes["job"] for one in made({}, B)] == ["b"]
