"""What there is to tell of a group, after what was told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import msgspec
import pytest
from alerting import alert, settings

from tailrace.alerts.delivery.grouping import Group, Member, News
from tailrace.alerts.delivery.routing import Route, tree
from tailrace.core.alerting import Alert, Phase

ROUTE = tree(settings('[alerts]\ngroup_wait = "5s"\ngroup_interval = "1m"\nrepeat_interval = "1h"'))
A, B = alert("A"), alert("B")
A_OVER, B_OVER = alert("A", Phase.RESOLVED), alert("B", Phase.RESOLVED)
WITHOUT_ENDS = replace(ROUTE, send_resolved=False)


def group(
    *alerts: Alert, told: Iterable[Alert] = (), told_s: float = 0.0, route: Route = ROUTE
) -> Group:
    members = {one.key: Member(one, ROUTE) for one in alerts}
    marks = frozenset(Member(one, ROUTE).mark for one in told)
    return Group(("default", "log", "{}"), route, {}, members, marks, told_s)


def news(one: Group, now_s: float = 1.0, muted: Iterable[Alert] = ()) -> News | None:
    keys = {alert.key for alert in muted}
    return one.news(now_s, lambda member: member.alert.key in keys)


def said(found: News | None) -> tuple[set[str], set[str]]:
    assert found is not None
    return tuple(
        {dict(one.labels)["alertname"] for one in alerts}
        for alerts in (found.firing, found.resolved)
    )  # type: ignore[return-value]


def test_an_alert_that_fires_is_told() -> None:
    assert said(news(group(A))) == ({"A"}, set())


def test_what_was_told_is_not_told_again() -> None:
    assert news(group(A, told=[A])) is None


def test_a_new_alert_is_told_with_those_that_fire_on() -> None:
    assert said(news(group(A, B, told=[A]))) == ({"A", "B"}, set())


def test_the_end_is_told_of_what_was_told() -> None:
    found = news(group(A_OVER, B, told=[A, B]))
    assert said(found) == ({"B"}, {"A"})
    assert found is not None
    assert found.firing_marks == {Member(B, ROUTE).mark}


def test_the_end_is_not_told_of_what_was_not() -> None:
    assert news(group(A_OVER)) is None


UNHEARD_A = msgspec.structs.replace(A_OVER, missed_ns=1)


def test_what_fired_and_ended_unheard_is_told_to_fire_and_to_have_ended() -> None:
    found = news(group(UNHEARD_A, B, told=[B]))
    assert said(found) == ({"B"}, {"A"})
    assert found is not None
    assert found.unheard == (UNHEARD_A,)
    assert found.firing_marks == {Member(B, ROUTE).mark}


def test_whoever_is_not_told_of_ends_hears_that_it_fired() -> None:
    found = news(group(UNHEARD_A, route=WITHOUT_ENDS))
    assert said(found) == (set(), set())
    assert found is not None
    assert (found.unheard, found.empty) == ((UNHEARD_A,), False)


def test_what_ended_unheard_and_is_muted_is_noted_without_a_word() -> None:
    found = news(group(UNHEARD_A), muted=[UNHEARD_A])
    assert found is not None
    assert found.empty
    assert found.resolved_marks == {Member(A, ROUTE).mark}


def test_of_what_was_told_before_it_is_only_the_end_that_is_told() -> None:
    found = news(group(UNHEARD_A, told=[A]))
    assert said(found) == (set(), {"A"})
    assert found is not None
    assert found.unheard == ()


def test_an_alert_that_fires_again_has_not_ended() -> None:
    assert news(group(A, told=[A_OVER])) is None


@pytest.mark.parametrize(("now_s", "told"), [(3_599.0, False), (3_600.0, True)])
def test_nothing_new_is_said_again_after_the_repeat_interval(now_s: float, told: bool) -> None:
    assert (news(group(A, told=[A]), now_s) is not None) is told


def test_what_is_muted_is_not_told() -> None:
    assert news(group(A), muted=[A]) is None
    assert said(news(group(A, B), muted=[A])) == ({"B"}, set())


def test_what_is_muted_is_not_repeated() -> None:
    assert news(group(A, told=[A]), 3_600.0, muted=[A]) is None


def test_the_end_of_what_was_told_is_told_though_it_is_muted() -> None:
    assert said(news(group(A_OVER, told=[A]), muted=[A])) == (set(), {"A"})


def test_what_was_told_before_it_was_muted_stays_told() -> None:
    found = news(group(A, B, told=[A]), muted=[A])
    assert found is not None
    assert found.firing_marks == {Member(A, ROUTE).mark, Member(B, ROUTE).mark}


def test_whoever_is_not_told_of_ends_has_them_noted() -> None:
    found = news(group(A_OVER, told=[A], route=WITHOUT_ENDS))
    assert found is not None
    assert found.empty
    assert not found.firing_marks


def test_whoever_is_not_told_of_ends_hears_of_what_is_new() -> None:
    found = news(group(A_OVER, B, told=[A], route=WITHOUT_ENDS))
    assert said(found) == ({"B"}, set())


def test_the_first_alert_waits_for_others() -> None:
    one = group(A, told_s=float("-inf"))
    one.expect(100.0)
    assert one.due_s == 105.0


def test_time_that_was_waited_counts() -> None:
    one = group(A, told_s=float("-inf"))
    one.expect(100.0, waited_s=3.0)
    assert one.due_s == 102.0


def test_notices_of_a_group_keep_their_distance() -> None:
    one = group(A, B, told=[A], told_s=100.0)
    one.expect(110.0)
    assert one.due_s == 160.0


def test_a_group_that_was_quiet_tells_at_once() -> None:
    one = group(A, B, told=[A], told_s=100.0)
    one.expect(500.0)
    assert one.due_s == 505.0


def test_a_group_at_rest_is_looked_at_when_it_is_to_be_repeated() -> None:
    one = group(A, told=[A], told_s=0.0)
    one.rest(3_570.0)
    assert one.due_s == 3_600.0
