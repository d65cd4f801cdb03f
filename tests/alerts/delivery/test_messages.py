"""The JSON of a notice, field by field as Alertmanager's."""

from __future__ import annotations

import json

import msgspec
import pytest
from alerting import START_NS, alert

from tailrace.alerts.delivery.messages import bodies, moment
from tailrace.core import limits
from tailrace.core.alerting import Phase, fingerprint

KEY = ("shop", "hook", '{}:{alertname="Down"}')


def test_a_message_has_every_field_of_alertmanagers_and_no_other() -> None:
    firing = msgspec.structs.replace(
        alert("Down", host="a", s="page"), annotations=(("summary", "it is down"),)
    )
    resolved = alert("Down", Phase.RESOLVED, host="b", s="page")
    labels = {"alertname": "Down"}
    (body,) = bodies(KEY, labels, [firing], [resolved], "https://tailrace.example")
    assert json.loads(body) == {
        "receiver": "hook",
        "status": "firing",
        "alerts": [
            {
                "status": "firing",
                "labels": {"alertname": "Down", "host": "a", "s": "page"},
                "annotations": {"summary": "it is down"},
                "startsAt": "2027-01-15T08:00:00Z",
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "https://tailrace.example",
                "fingerprint": fingerprint(firing.labels),
            },
            {
                "status": "resolved",
                "labels": {"alertname": "Down", "host": "b", "s": "page"},
                "annotations": {},
                "startsAt": "2027-01-15T08:00:00Z",
                "endsAt": "2027-01-15T08:00:00.000000001Z",
                "generatorURL": "https://tailrace.example",
                "fingerprint": fingerprint(resolved.labels),
            },
        ],
        "groupLabels": {"alertname": "Down"},
        "commonLabels": {"alertname": "Down", "s": "page"},
        "commonAnnotations": {},
        "externalURL": "https://tailrace.example",
        "version": "4",
        "groupKey": 'shop:{}:{alertname="Down"}',
        "truncatedAlerts": 0,
    }


def test_a_message_of_ends_alone_is_resolved() -> None:
    (body,) = bodies(KEY, {}, [], [alert("Down", Phase.RESOLVED)], "")
    assert json.loads(body)["status"] == "resolved"


def test_a_large_group_is_told_in_several_messages() -> None:
    alerts = [alert("Down", host=str(n)) for n in range(limits.ALERTS_PER_NOTICE + 1)]
    found = [json.loads(body) for body in bodies(KEY, {}, alerts, [], "")]
    assert [len(one["alerts"]) for one in found] == [limits.ALERTS_PER_NOTICE, 1]


def test_half_a_character_is_shown_as_a_question_mark() -> None:
    (body,) = bodies(KEY, {}, [alert("Down", host="a\ud800b")], [], "")
    assert json.loads(body)["alerts"][0]["labels"]["host"] == "a?b"


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0001-01-01T00:00:00Z"),
        (START_NS, "2027-01-15T08:00:00Z"),
        (START_NS + 120_000_000, "2027-01-15T08:00:00.12Z"),
    ],
)
def test_a_time_is_written_as_go_writes_it(ns: int, text: str) -> None:
    assert moment(ns) == text
