"""How rules and alerts are shown in Prometheus' API."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.requests import Request

from tailrace.alerts.evaluation.evaluator import Stands
from tailrace.alerts.evaluation.state import Owner
from tailrace.alerts.evaluation.turn import Standing
from tailrace.alerts.http import prometheus
from tailrace.alerts.late.again import Report
from tailrace.alerts.late.difference import Difference
from tailrace.alerts.rule import Group, Rule
from tailrace.core.alerting import Alert, Evaluated, Phase
from tailrace.core.errors import QueryError
from tailrace.query.asked import Asked

S = 1_000_000_000
NOW = 1_800_000_000 * S
HIGH = Rule(
    "errors > 5", "promql", alert="High", for_ns=60 * S, keep_firing_ns=30 * S,
    labels=(("severity", "page"),), annotations=(("summary", "{{ $value }}"),),
)  # fmt: skip
RATE = Rule("sum(rate(x[1m]))", "promql", record="x:rate")


def alert(phase: Phase = Phase.FIRING, left_ns: int = 0) -> Alert:
    labels = (("alertname", "High"), ("host", "a"))
    return Alert("shop", "r", labels, (("summary", "7"),), phase, 7.0, NOW - 60 * S, NOW, left_ns)


def stands(
    *alerts: Alert, name: str = "g", tenant: str = "shop", error: str = "", slot_ns: int = NOW
) -> Stands:
    group = Group(tenant, "rules.yml", name, (HIGH, RATE), 15 * S, limit=10)
    owners = [Owner(tenant, "r", HIGH), Owner(tenant, "s", RATE)]
    standing = [Standing({one.labels: one for one in alerts}, slot_ns), Standing({}, slot_ns)]
    last = [Evaluated(tenant, "r", slot_ns, 0.25, error), Evaluated(tenant, "s", slot_ns, 0.5)]
    return Stands(group, owners, standing, last)


def asked(query: str = "") -> Asked:
    scope = {"type": "http", "method": "GET", "query_string": query.encode(), "headers": []}
    return Asked(Request(scope), "shop", None, NOW)


def rules(query: str, *found: Stands) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = prometheus.rules(asked(query), found)["groups"]
    return listed


def test_a_rule_says_what_late_rows_changed() -> None:
    found = Difference(4, held=3, left=1, missed=((("host", "a"),),), unfounded=2)
    report = Report(NOW + S, NOW - 60 * S, NOW - 15 * S, found)
    late = {("shop", "r"): report}
    [group] = prometheus.rules(asked(), [stands()], lambda tenant, rule: late.get((tenant, rule)))[
        "groups"
    ]
    [high, rate] = group["rules"]
    assert high["lateRows"] == {
        "evaluatedAt": "2027-01-15T08:00:01.000Z",
        "from": "2027-01-15T07:59:00.000Z",
        "to": "2027-01-15T07:59:45.000Z",
        "slots": 4, "held": 3, "left": 1,
        "missed": [{"host": "a"}], "missedCount": 1, "unfoundedCount": 2,
    }  # fmt: skip
    assert "lateRows" not in rate


def test_a_group_says_when_it_was_evaluated_and_how_long_that_took() -> None:
    [group] = rules("", stands())
    shown = {name: group[name] for name in group if name != "rules"}
    assert shown == {
        "name": "g", "file": "rules.yml", "interval": 15.0, "limit": 10, "evaluationTime": 0.75,
        "lastEvaluation": "2027-01-15T08:00:00.000Z",
    }  # fmt: skip


def test_an_alerting_rule_is_shown_with_its_alerts() -> None:
    [group] = rules("", stands(alert()))
    assert group["rules"][0] == {
        "state": "firing", "name": "High", "query": "errors > 5", "duration": 60.0,
        "keepFiringFor": 30.0, "labels": {"severity": "page"},
        "annotations": {"summary": "{{ $value }}"},
        "alerts": [
            {"labels": {"alertname": "High", "host": "a"}, "annotations": {"summary": "7"},
             "state": "firing", "activeAt": "2027-01-15T07:59:00.000Z", "value": "7e+00"},
        ],
        "health": "ok", "evaluationTime": 0.25, "lastEvaluation": "2027-01-15T08:00:00.000Z",
        "missedEvaluations": 0, "type": "alerting",
    }  # fmt: skip


def test_a_recording_rule_has_no_alerts() -> None:
    [group] = rules("type=record", stands(alert()))
    assert [(rule["name"], rule["type"], "alerts" in rule) for rule in group["rules"]] == [
        ("x:rate", "recording", False)
    ]


@pytest.mark.parametrize(
    ("phases", "state"),
    [
        ([], "inactive"),
        ([Phase.PENDING], "pending"),
        ([Phase.RESOLVED], "inactive"),
        ([Phase.FIRING], "firing"),
    ],
)
def test_a_rule_is_as_the_worst_of_its_alerts(phases: list[Phase], state: str) -> None:
    [group] = rules("type=alert", stands(*map(alert, phases)))
    [rule] = group["rules"]
    assert (rule["state"], len(rule["alerts"])) == (
        state,
        len([p for p in phases if p != "resolved"]),
    )


def test_a_rule_that_failed_says_why_and_one_that_never_ran_is_unknown() -> None:
    [failed], [new] = (
        rules("", one)[0]["rules"][:1] for one in (stands(error="too slow"), stands(slot_ns=0))
    )
    assert (failed["health"], failed["lastError"]) == ("err", "too slow")
    assert (new["health"], new["lastEvaluation"]) == ("unknown", "0001-01-01T00:00:00Z")


def test_another_tenants_rules_are_not_shown() -> None:
    assert rules("", stands(tenant="mill")) == []
    assert prometheus.alerts("shop", [stands(alert(), tenant="mill")]) == {"alerts": []}


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("rule_name[]=High", ["High"]),
        ("rule_group[]=g", ["High", "x:rate"]),
        ("rule_group[]=other", []),
        ("file[]=other.yml", []),
        ("type=alert", ["High"]),
    ],
)
def test_some_rules_are_asked_for(query: str, names: list[str]) -> None:
    found = rules(query, stands())
    assert [rule["name"] for group in found for rule in group["rules"]] == names


def test_alerts_can_be_left_out() -> None:
    assert "alerts" not in rules("exclude_alerts=true", stands(alert()))[0]["rules"][0]


def test_groups_come_in_pages() -> None:
    found = [stands(name=name) for name in "cab"]
    seen, token = [], ""
    for _ in range(3):
        page = prometheus.rules(asked(f"group_limit=1&group_next_token={token}"), found)
        seen += [group["name"] for group in page["groups"]]
        token = page.get("groupNextToken", "")
    assert (seen, token) == (["a", "b", "c"], "")


@pytest.mark.parametrize("query", ["type=x", "group_next_token=x", "group_limit=0"])
def test_what_cannot_be_asked_is_an_error(query: str) -> None:
    with pytest.raises(QueryError):
        rules(query, stands())


def test_active_alerts_are_listed_without_resolved_ones() -> None:
    found = prometheus.alerts("shop", [stands(alert(Phase.FIRING, left_ns=NOW))])
    [one] = found["alerts"]
    assert (one["state"], one["keepFiringSince"]) == ("firing", "2027-01-15T08:00:00.000Z")
    assert prometheus.alerts("shop", [stands(alert(Phase.RESOLVED))]) == {"alerts": []}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1e+00"), (0.0, "0e+00"), (-12.5, "-1.25e+01"), (1e100, "1e+100"),
        (0.1 + 0.2, "3.0000000000000004e-01"), (float("inf"), "+Inf"), (float("nan"), "NaN"),
    ],
)  # fmt: skip
def test_values_are_written_as_go_does(value: float, text: str) -> None:
    assert prometheus.number(value) == text
