"""Alerts that fire are found by PromQL in the series that Prometheus has for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from running import Server, Start

RULES = """
groups:
  - name: shop
    interval: 1s
    rules:
      - {alert: Down, expr: vector(1), labels: {severity: page}}
      - {alert: Waits, expr: vector(1), for: 1h}
      - {alert: Never, expr: vector(1) > 2}
      - alert: Storm
        expr: count(ALERTS{alertstate="firing", severity="page"}) > 0
      - alert: Panic
        stream: '{service_name="payments"} |= "panic"'
        quiet: 1h
"""


def found(server: Server, query: str) -> dict[str, dict[str, Any]]:
    """The series by the name of their alert."""
    answer = server.get(f"/api/v1/query?query={quote(query)}")
    assert answer.status == 200, answer
    result = json.loads(answer.body)["data"]["result"]
    return {one["metric"]["alertname"]: one for one in result}


def test_alerts_are_series_while_they_are(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "shop.yml"
    file.write_text(RULES)
    server = start(TAILRACE_ALERTS__RULES=f"['{file}']", TAILRACE_ALERTS__INTERVAL="1s")
    expected = {"Down": "firing", "Waits": "pending", "Storm": "firing", "Panic": "firing"}

    def states() -> dict[str, str]:
        return {name: one["metric"]["alertstate"] for name, one in found(server, "ALERTS").items()}

    server.until(lambda: "Storm" in states(), "alerts are series, which rules see")
    assert server.post("/ingest/lines?service=payments", b"panic now").status == 200
    server.until(lambda: states() == expected, "the alert of a stream is one, too")
    down = found(server, "ALERTS")["Down"]
    assert down["metric"] == {
        "__name__": "ALERTS", "alertname": "Down", "alertstate": "firing", "severity": "page",
    }  # fmt: skip
    assert down["value"][1] == "1"
    began = found(server, "time() - ALERTS_FOR_STATE")
    assert began.keys() == expected.keys()
    assert all(0 <= float(one["value"][1]) < 120 for one in began.values())
    file.write_text(RULES.replace("expr: vector(1),", "expr: vector(1) > 2,", 1))
    server.until(lambda: "Down" not in states(), "the series ends with its alert")
    file.write_text("groups: []\n")
    server.until(lambda: states() == {}, "series end with their rules")


def test_alerts_are_no_series_where_that_is_turned_off(start: Start, tmp_path: Path) -> None:
    (tmp_path / "shop.yml").write_text(RULES)
    server = start(
        TAILRACE_ALERTS__RULES=f"['{tmp_path / 'shop.yml'}']", TAILRACE_ALERTS__SERIES="false"
    )
    server.until(lambda: server.metric("tailrace_rule_evaluations_total") > 20, "evaluated")
    assert found(server, "ALERTS") == {}
    assert server.metric("tailrace_alert_samples_total") == 0
