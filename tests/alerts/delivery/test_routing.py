"""Which receivers an alert goes to, and in which group."""

from __future__ import annotations

import pytest
from alerting import settings

from tailrace.alerts.delivery.routing import destinations, group_key, group_labels, tree

RECEIVERS = "\n".join(
    f'[[alerts.receivers]]\nname = "{name}"\nkind = "log"\n' for name in ("all", "db", "page", "am")
)
TREE = tree(
    settings(
        RECEIVERS
        + """
[[alerts.routes]]
receiver = "db"
matchers = ['service=~"mysql|cassandra"']
group_by = ["alertname", "cluster"]
group_wait = "30s"
  [[alerts.routes.routes]]
  receiver = "page"
  matchers = ['severity="page"']

[[alerts.routes]]
receiver = "am"
matchers = ['audit="yes"']
continue = true

[[alerts.routes]]
receiver = "page"
tenants = ["shop"]
group_by = ["..."]
"""
    )
)


@pytest.mark.parametrize(
    ("tenant", "labels", "receivers"),
    [
        ("default", {}, ["all"]),
        ("default", {"service": "mysql"}, ["db"]),
        ("default", {"service": "mysql", "severity": "page"}, ["page"]),
        ("default", {"service": "mysql2"}, ["all"]),
        ("default", {"audit": "yes"}, ["am"]),
        ("shop", {"audit": "yes"}, ["am", "page"]),
        ("shop", {"service": "mysql", "audit": "yes"}, ["db"]),
        ("shop", {}, ["page"]),
    ],
)
def test_an_alert_goes_as_it_would_in_alertmanager(
    tenant: str, labels: dict[str, str], receivers: list[str]
) -> None:
    assert [route.receiver for route in destinations(TREE, tenant, labels)] == receivers


def test_a_route_inherits_what_it_does_not_say() -> None:
    page = TREE.routes[0].routes[0]
    assert page.group_by == ("alertname", "cluster")
    assert page.timing.wait_s == 30
    assert page.timing.interval_s == 60
    assert TREE.routes[1].timing.wait_s == 1


def test_a_group_is_named_by_its_route_and_the_labels_it_groups_by() -> None:
    labels = {"service": "mysql", "alertname": "Down", "severity": "page", "host": "a"}
    (route,) = destinations(TREE, "default", labels)
    assert group_labels(route, labels) == {"alertname": "Down"}
    assert group_key(route, labels) == (
        '{}/{service=~"mysql|cassandra"}/{severity="page"}:{alertname="Down"}'
    )


def test_every_label_makes_a_group_of_each_alert() -> None:
    (route,) = destinations(TREE, "shop", {"b": "2", "a": "1"})
    assert group_key(route, {"b": "2", "a": "1"}) == '{}/{}@shop:{a="1", b="2"}'


def test_routes_that_are_alike_have_names_of_their_own() -> None:
    twice = '[[alerts.routes]]\nmatchers = ["a=b"]\ncontinue = true\n' * 2
    assert [r.key for r in tree(settings(twice)).routes] == ['{}/{a="b"}', '{}/{a="b"}#1']


def test_without_settings_everything_goes_to_the_own_log() -> None:
    (route,) = destinations(tree(settings()), "default", {"alertname": "Down"})
    assert (route.receiver, route.group_by) == ("log", ("alertname",))


def test_the_first_receiver_hears_what_no_route_takes() -> None:
    assert tree(settings(RECEIVERS)).receiver == "all"


def test_an_alertmanager_groups_and_silences_itself() -> None:
    said = '[[alerts.receivers]]\nname = "am"\nkind = "alertmanager"\nurls = ["http://am:9093"]'
    route = tree(settings(said))
    assert (route.group_by, route.mutes) == ((), False)
    assert (route.timing.wait_s, route.timing.repeat_s) == (0, 60)
