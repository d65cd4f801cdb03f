"""Alerts as series. What Prometheus makes of them tests/app/test_promtool.py compares."""

from __future__ import annotations

from msgspec.structs import replace

from tailrace.alerts.evaluation.activeseries import active, samples
from tailrace.core import limits
from tailrace.core.alerting import Alert, Labels, Phase

S = 1_000_000_000
NOW = 1_800_000_000 * S


def alert(host: str = "a", phase: Phase = Phase.FIRING, **more: str) -> Alert:
    labels = tuple(sorted({"alertname": "Down", "host": host, **more}.items()))
    return Alert("shop", "r", labels, (), phase, 5.0, NOW - 90 * S - 1)


def states(*alerts: Alert) -> list[tuple[str, str]]:
    return [(dict(of)["host"], dict(of)["alertstate"]) for name, of in active(alerts)
            if name == "ALERTS"]  # fmt: skip


def test_an_alert_is_two_series_without_its_value() -> None:
    labels: Labels = (("alertname", "Down"), ("host", "a"))
    assert active([alert()]) == {
        ("ALERTS", (("alertname", "Down"), ("alertstate", "firing"), ("host", "a"))): 1.0,
        ("ALERTS_FOR_STATE", labels): float(NOW // S - 91),
    }


def test_what_is_over_is_none() -> None:
    assert states(alert("a", Phase.PENDING), alert("b", Phase.RESOLVED)) == [("a", "pending")]


def test_a_series_that_is_not_there_any_more_is_marked_once() -> None:
    before, now = active([alert("a", Phase.PENDING)]), active([alert("a")])
    made = samples(now, before, NOW)
    assert [(one.name, one.attributes.get("alertstate"), one.stale) for one in made] == [
        ("ALERTS", "firing", False), ("ALERTS_FOR_STATE", None, False), ("ALERTS", "pending", True),
    ]  # fmt: skip
    assert not any(one.stale for one in samples(now, now, NOW))
    assert [(one.name, one.value, one.stale) for one in samples({}, now, NOW)] == [
        ("ALERTS", "NaN", True), ("ALERTS_FOR_STATE", "NaN", True),
    ]  # fmt: skip


def test_so_many_alerts_of_a_rule_are_series_whatever_their_order() -> None:
    many = [alert(f"{number:05}") for number in range(limits.ALERT_SERIES + 5)]
    assert len(active(many)) == 2 * limits.ALERT_SERIES
    assert active(many) == active(reversed(many))
    assert ("00000", "firing") in states(*many)


def test_labels_that_no_series_can_have_are_left_out_and_halves_of_characters_shown() -> None:
    long = alert("b", text="x" * (limits.LABEL_VALUE_BYTES + 1))
    many = alert("c", **{f"l{number}": "x" for number in range(limits.LABELS_PER_SERIES)})
    named = alert("d", **{"x" * 256: "y"})
    assert states(alert("\ud800"), long, many, named) == [("?", "firing")]


def test_a_label_of_the_name_of_the_state_gives_way() -> None:
    assert states(replace(alert(alertstate="mine"))) == [("a", "firing")]
