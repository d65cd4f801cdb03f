"""Alerts as amtool and Grafana see them: Alertmanager's API, over a store in memory."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
import yaml
from msgspec.structs import replace
from tests.alerts.delivery.alerting import settings

from tailrace.alerts.delivery.matching import parse
from tailrace.alerts.delivery.view import View
from tailrace.alerts.http.alertmanager import AlertRoutes
from tailrace.core.alerting import Alert, Phase, Silence
from tailrace.core.clock import ManualClock
from tailrace.core.errors import StoreError

from ..store import MemoryAlerts
from .asking import ask

NOW = ManualClock().wall_ns()


def alert(host: str, phase: Phase = Phase.FIRING, tenant: str = "shop") -> Alert:
    labels = (("alertname", "Slow"), ("host", host))
    return Alert(tenant, "r", labels, (("summary", "slow"),), phase, 1.0, NOW - 5, NOW)


SAID = """
[alerts]
receiver = "mail"
external_url = "https://tailrace.example"
group_by = ["alertname"]
[[alerts.receivers]]
name = "on-call"
kind = "command"
command = ["call"]
[[alerts.receivers]]
name = "mail"
kind = "command"
command = ["mail"]
[[alerts.routes]]
receiver = "on-call"
matchers = ['host="a"']
group_by = ["host"]
continue = true
[[alerts.routes]]
matchers = ['alertname="Slow"']
[[alerts.routes]]
receiver = "on-call"
matchers = ['alertname="Fraud"']
tenants = ["bank"]
[[alerts.inhibit]]
source = ['host="a"']
target = ['host=~"c|d"']
equal = ["alertname"]
"""
SILENCE = Silence("some-id", "shop", parse('host=~"b|d"'), NOW - 5, NOW + 5, "", "", NOW)


class Desk:
    """Host b is silenced, c inhibited, d both; whoever is on call is told of a alone."""

    def __init__(self, *alerts: Alert) -> None:
        self.store = MemoryAlerts()
        asyncio.run(self.store.evaluated([], alerts or [alert(host) for host in "abcd"], []))
        asyncio.run(self.store.silence(SILENCE))
        view = View(settings(SAID))
        self._routes = AlertRoutes(self.store, view, ManualClock()).reading()

    def ask(self, path: str, method: str = "GET", **how: Any) -> httpx.Response:
        return ask(self._routes, method, path, **how)

    def hosts(self, tenant: str = "shop", **asked: Any) -> str:
        answer = self.ask("/alerts", tenant=tenant, params=asked)
        assert answer.status_code == 200, answer.text
        return "".join(sorted(one["labels"]["host"] for one in answer.json()))

    def groups(self, **asked: Any) -> list[tuple[dict[str, str], str, str]]:
        """Labels, receiver and hosts of each."""
        answer = self.ask("/alerts/groups", params=asked)
        assert answer.status_code == 200, answer.text
        return [
            (
                one["labels"],
                one["receiver"]["name"],
                "".join(sorted(each["labels"]["host"] for each in one["alerts"])),
            )
            for one in answer.json()
        ]


def test_an_alert_is_shown_as_alertmanager_does() -> None:
    (shown,) = Desk(alert("a")).ask("/alerts").json()
    fingerprint = shown.pop("fingerprint")
    assert len(fingerprint) == 16
    assert shown == {
        "labels": {"alertname": "Slow", "host": "a"},
        "annotations": {"summary": "slow"},
        "startsAt": "2027-01-15T08:00:00.000Z",
        "endsAt": "2027-01-15T08:05:00.000Z",
        "updatedAt": "2027-01-15T08:00:00.000Z",
        "generatorURL": "https://tailrace.example",
        "receivers": [{"name": "on-call"}, {"name": "mail"}],
        "status": {"state": "active", "silencedBy": [], "inhibitedBy": [], "mutedBy": []},
    }


def test_an_alert_that_is_muted_is_suppressed_and_says_by_what() -> None:
    shown = {one["labels"]["host"]: one for one in Desk().ask("/alerts").json()}
    by = shown["a"]["fingerprint"]
    states = {
        host: (one["status"]["state"], one["status"]["silencedBy"], one["status"]["inhibitedBy"])
        for host, one in shown.items()
    }
    assert states == {
        "a": ("active", [], []),
        "b": ("suppressed", ["some-id"], []),
        "c": ("suppressed", [], [by]),
        "d": ("suppressed", ["some-id"], [by]),
    }


def test_alerts_are_in_groups_as_they_are_told() -> None:
    desk = Desk()
    assert desk.groups() == [
        ({"alertname": "Slow"}, "mail", "abcd"),
        ({"host": "a"}, "on-call", "a"),
    ]
    assert desk.groups(receiver="on-.*") == [({"host": "a"}, "on-call", "a")]
    assert desk.groups(filter="host=c") == [({"alertname": "Slow"}, "mail", "c")]
    assert desk.groups(active="false", receiver="on-.*") == []
    alike = {one["fingerprint"]: one for one in desk.ask("/alerts").json()}
    for group in desk.ask("/alerts/groups").json():
        assert all(alike[one["fingerprint"]] == one for one in group["alerts"])


def test_alerts_of_others_are_refused_with_the_reason() -> None:
    answer = Desk().ask("/alerts", "POST", json=[{"labels": {"alertname": "Mine"}}])
    assert answer.status_code == 400
    assert "rules of this server" in answer.json()


def test_only_what_fires_is_shown_and_only_to_its_tenant() -> None:
    desk = Desk(alert("a"), alert("p", Phase.PENDING), alert("r", Phase.RESOLVED),
                alert("b", tenant="bank"))  # fmt: skip
    assert desk.hosts() == "a"
    assert desk.hosts("bank") == "b"


def test_alerts_are_asked_for_by_how_they_stand() -> None:
    desk = Desk()
    assert desk.hosts() == "abcd"
    assert desk.hosts(active="false") == "bcd"
    assert desk.hosts(silenced="false") == "ac"
    assert desk.hosts(inhibited="false") == "ab"
    assert desk.hosts(silenced="false", inhibited="false") == "a"
    assert desk.hosts(active="false", silenced="false") == "c"


def test_alerts_are_asked_for_by_labels_and_by_who_is_told() -> None:
    desk = Desk()
    assert desk.hosts(filter='host=~"a|b"') == "ab"
    assert desk.hosts(filter=['host=~"a|b"', "host!=a"]) == "b"
    assert desk.hosts(filter='{alertname="Slow", "host"="c"}') == "c"
    assert desk.hosts(receiver="on-.*") == "a"
    assert desk.hosts(receiver="on") == ""


@pytest.mark.parametrize(
    "asked", [{"active": "perhaps"}, {"filter": "host"}, {"filter": 'host=~"("'}, {"receiver": "("}]
)
def test_what_makes_no_sense_is_400(asked: dict[str, str]) -> None:
    answer = Desk().ask("/alerts", params=asked)
    assert answer.status_code == 400
    assert isinstance(answer.json(), str)


def test_labels_of_which_some_are_no_text_are_shown_too() -> None:
    odd = replace(alert("a"), annotations=(("half", "\ud800"),))
    assert Desk(odd).ask("/alerts").status_code == 200


def test_a_store_that_is_away_is_503() -> None:
    desk = Desk()
    desk.store.failure = StoreError("the disk is gone")
    assert desk.ask("/alerts").status_code == 503


def test_receivers_and_status_have_the_form_that_clients_want() -> None:
    desk = Desk()
    names = ["log", "on-call", "mail"]
    assert desk.ask("/receivers").json() == [{"name": name} for name in names]
    status = desk.ask("/status").json()
    assert status["cluster"] == {"status": "disabled"}
    config = yaml.safe_load(status["config"]["original"])
    assert config["receivers"] == [{"name": name} for name in names]
    assert config["route"]["routes"] == [
        {
            "receiver": "on-call", "matchers": ['host="a"'], "group_by": ["host"],
            "continue": True,
        },
        {"matchers": ['alertname="Slow"']},
    ]  # fmt: skip
    assert config["inhibit_rules"] == [
        {
            "source_matchers": ['host="a"'], "target_matchers": ['host=~"c|d"'],
            "equal": ["alertname"],
        }
    ]  # fmt: skip
    bank = yaml.safe_load(desk.ask("/status", tenant="bank").json()["config"]["original"])
    assert bank["route"]["routes"][2]["matchers"] == ['alertname="Fraud"']
    assert status["uptime"] == "2027-01-15T08:00:00.000Z"
    assert set(status["versionInfo"]) == {
        "version", "revision", "branch", "buildUser", "buildDate", "goVersion",
    }  # fmt: skip
