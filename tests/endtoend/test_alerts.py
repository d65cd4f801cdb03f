"""Rules of a real server: from lines to alerts, through crashes and changes."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bytescan import damage
from running import Server, Start

RULES = """
groups:
  - name: shop
    interval: 1s
    rules:
      - alert: PaymentsFail
        expr: |
          sum by (service_name) (count_over_time({service_name="payments"} |= "declined" [1h])) > 2
        for: 3s
        labels: {severity: page}
        annotations:
          summary: "{{ $value }} of {{ $labels.service_name }} declined"
      - alert: Quiet
        expr: absent_over_time({service_name="nobody"}[1m])
"""
NEW = """
name: more
interval: 1s
rules:
  - alert: Anything
    expr: count_over_time({service_name="payments"}[1h]) > 0
"""
SQL = """
name: asked
interval: 1s
rules:
  - record: service:lines
    since: 20m
    expr: SELECT ServiceName AS service, sum(Weight) AS value FROM logs GROUP BY service
  - alert: Counted
    since: 1m
    expr: |
      SELECT Labels['service'] AS service, argMax(Value, Timestamp) AS value
      FROM metrics
      WHERE MetricName = 'service:lines' AND Timestamp <= now()
      GROUP BY service
      HAVING value > 2
"""


LATE = """
groups:
  - name: late
    interval: 1s
    rules:
      - alert: Past
        expr: sum by (service_name) (count_over_time({service_name="late"}[2s])) > 0
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "shop.yml"
    path.write_text(RULES)
    return path


def ingest(server: Server, lines: int) -> None:
    body = b"\n".join([b"charge declined"] * lines)
    assert server.post("/ingest/lines?service=payments", body).status == 200


def alerts(server: Server) -> dict[str, dict[str, Any]]:
    """By name."""
    found = server.get("/api/v1/alerts").json()["data"]["alerts"]
    return {one["labels"]["alertname"]: one for one in found}


def fires(server: Server, name: str) -> bool:
    return alerts(server).get(name, {}).get("state") == "firing"


def started(start: Start, rules: Path) -> Server:
    return start(TAILRACE_ALERTS__RULES=f"['{rules}']")


def test_lines_become_an_alert_that_says_what_it_is_about(start: Start, rules: Path) -> None:
    server = started(start, rules)
    server.until(lambda: fires(server, "Quiet"), "an absence fires")
    assert "PaymentsFail" not in alerts(server)
    ingest(server, 5)
    server.until(lambda: fires(server, "PaymentsFail"), "it fires")
    found = alerts(server)["PaymentsFail"]
    assert found["labels"] == {
        "alertname": "PaymentsFail", "service_name": "payments", "severity": "page",
    }  # fmt: skip
    assert found["annotations"] == {"summary": "5 of payments declined"}
    assert found["value"] == "5e+00"


def test_a_kill_does_not_begin_for_again(start: Start, rules: Path) -> None:
    rules.write_text(RULES.replace("for: 3s", "for: 8s"))
    server = started(start, rules)
    ingest(server, 5)
    server.until(lambda: "PaymentsFail" in alerts(server), "it is pending")
    since = alerts(server)["PaymentsFail"]["activeAt"]
    server.kill()
    server.start()
    server.until(lambda: fires(server, "PaymentsFail"), "it fires")
    assert alerts(server)["PaymentsFail"]["activeAt"] == since


def test_a_file_that_changes_is_read_and_one_that_is_wrong_is_not(
    start: Start, rules: Path
) -> None:
    server = started(start, rules)
    server.until(lambda: fires(server, "Quiet"), "it fires")
    since = alerts(server)["Quiet"]["activeAt"]
    rules.write_text(RULES.replace("groups:", "gruops:"))
    server.until(lambda: server.metric("tailrace_rule_files", "wrong") == 1, "it is told")
    assert alerts(server)["Quiet"]["activeAt"] == since
    rules.write_text(RULES.replace("PaymentsFail", "Other"))
    server.until(lambda: server.metric("tailrace_rule_files", "wrong") == 0, "it is right again")
    ingest(server, 5)
    server.until(lambda: fires(server, "Other"), "the new rule fires")
    assert alerts(server)["Quiet"]["activeAt"] == since


def test_rules_are_edited_over_http_and_outlive_a_restart(start: Start, rules: Path) -> None:
    server = started(start, rules)
    ingest(server, 1)
    assert server.post("/loki/api/v1/rules/team%2Fshop", NEW.encode()).status == 202
    server.until(lambda: fires(server, "Anything"), "it fires")
    server.kill()
    server.start()
    assert "name: more" in server.get("/loki/api/v1/rules").body.decode()
    server.until(lambda: fires(server, "Anything"), "it fires still")
    assert server.request("DELETE", "/loki/api/v1/rules/team%2fshop/more").status == 202
    server.until(lambda: "Anything" not in alerts(server), "it is gone")


def test_rules_in_sql_record_and_alert_and_are_listed_as_others(start: Start) -> None:
    server = start()
    assert server.post("/loki/api/v1/rules/shop", SQL.encode()).status == 202
    ingest(server, 5)
    server.until(lambda: fires(server, "Counted"), "it fires")
    found = alerts(server)["Counted"]
    assert (found["labels"]["service"], found["value"]) == ("payments", "5e+00")
    [group] = server.get("/prometheus/api/v1/rules?rule_group[]=asked").json()["data"]["groups"]
    assert [rule["health"] for rule in group["rules"]] == ["ok", "ok"]
    assert group["rules"][1]["query"].startswith("SELECT Labels['service'] AS service")
    assert "since: 1m" in server.get("/loki/api/v1/rules/shop/asked").body.decode()
    wrong = server.post("/loki/api/v1/rules/shop", SQL.replace("metrics", "system.one").encode())
    assert (wrong.status, "12:19: expr: there is no table" in wrong.body.decode()) == (400, True)


def test_a_group_that_is_wrong_is_refused_with_every_place(start: Start, rules: Path) -> None:
    server = started(start, rules)
    answer = server.post("/loki/api/v1/rules/shop", NEW.replace("> 0", "> ").encode())
    assert answer.status == 400
    assert "6:" in answer.body.decode()


def test_the_rules_say_how_they_stand(start: Start, rules: Path) -> None:
    server = started(start, rules)
    server.until(lambda: fires(server, "Quiet"), "it fires")
    [group] = server.get("/api/v1/rules?rule_group[]=shop").json()["data"]["groups"]
    assert (group["name"], group["file"], group["interval"]) == ("shop", str(rules), 1)
    assert [rule["health"] for rule in group["rules"]] == ["ok", "ok"]
    age = datetime.now(UTC) - datetime.fromisoformat(group["lastEvaluation"])
    assert timedelta() < age < timedelta(minutes=1)


STREAMING = """
groups:
  - name: now
    rules:
      - alert: Panic
        stream: '{service_name="payments"} |= "panic"'
        by: [service_name]
        quiet: 10s
        annotations:
          summary: "{{ $value }} of {{ $labels.service_name }}, first {{ $labels.__line__ }}"
"""


def panics(server: Server, *lines: str) -> None:
    assert server.post("/ingest/lines?service=payments", "\n".join(lines).encode()).status == 200


def test_a_line_fires_within_two_seconds_and_is_resolved_when_it_is_quiet(
    start: Start, rules: Path
) -> None:
    rules.write_text(STREAMING)
    server = started(start, rules)
    server.until(lambda: server.metric("tailrace_stream_rules") == 1, "it is watched")
    panics(server, "all well", "panic of 4111 1111 1111 1111")
    server.until(lambda: fires(server, "Panic"), "it fires", 2.0)
    found = alerts(server)["Panic"]
    assert found["labels"] == {"alertname": "Panic", "service_name": "payments"}
    assert found["annotations"]["summary"].startswith("1 of payments, first panic of ")
    assert "4111 1111" not in str(found)
    server.until(lambda: "Panic" not in alerts(server), "it is resolved")


def test_a_line_that_came_just_before_a_kill_fires_after_it(start: Start, rules: Path) -> None:
    rules.write_text(STREAMING.replace("10s", "1h"))
    server = started(start, rules)
    server.until(lambda: server.metric("tailrace_stream_rules") == 1, "it is watched")
    panics(server, "panic")
    server.kill()
    server.start()
    server.until(lambda: fires(server, "Panic"), "it fires")


def test_a_finding_of_the_guard_is_an_alert_at_once(start: Start) -> None:
    server = built_in(start)
    body = b"\n".join([b"card 4111 1111 1111 1111 at billing.py:88"] * 3)
    assert server.post("/ingest/lines?service=payments", body).status == 200
    server.until(lambda: fires(server, "GuardFinding"), "it fires", 10.0)
    found = alerts(server)["GuardFinding"]
    assert found["labels"]["detector"] == "pan"
    assert "payments logs card numbers" in found["annotations"]["summary"]


def groups(server: Server) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = server.get("/api/v1/rules").json()["data"]["groups"]
    return found


def built_in(start: Start, **environment: str) -> Server:
    wanted = {"TAILRACE_ALERTS__INTERVAL": "1s", "TAILRACE_ALERTS__BUILTIN": "true"}
    return start(**wanted | environment)


def test_built_in_rules_are_evaluated_and_quiet_in_an_ordinary_server(start: Start) -> None:
    # What takes longer than the interval is an error of its rule, as it should be: a second is
    # too short on a machine that does much else.
    server = built_in(start, TAILRACE_ALERTS__INTERVAL="3s")
    ingest(server, 20)
    errors: list[str] = []

    def well() -> bool:
        rules = [rule for group in groups(server) for rule in group["rules"]]
        errors[:] = [f"{one['name']}: {one['lastError']}" for one in rules if one.get("lastError")]
        return not errors and server.metric("tailrace_rule_evaluations_total") >= 2 * len(rules)

    with contextlib.suppress(AssertionError):
        server.until(well, "all are evaluated, and in time")
    assert errors == []
    assert server.metric("tailrace_rule_evaluations_total") >= 22, server.log()
    assert {group["file"] for group in groups(server)} == {"built in"}
    # DiskForecast may be pending: what the disk does in a few seconds says nothing.
    assert [name for name, one in alerts(server).items() if one["state"] == "firing"] == []
    asked = "/api/v1/query?query=tailrace_queue_max_bytes"
    [sample] = server.get(asked).json()["data"]["result"]
    assert sample["metric"]["job"] == "tailrace"


def test_an_agent_that_falls_silent_is_an_alert(start: Start) -> None:
    server = built_in(start)
    said = {
        "source": "a", "version": "1", "host": "h", "pid": 1, "started_ns": 1, "interval_s": 0.5,
    }  # fmt: skip
    assert server.post("/agents/announce", json.dumps(said).encode()).status == 200
    server.until(lambda: fires(server, "AgentSilent"), "it fires")
    assert alerts(server)["AgentSilent"]["annotations"]["summary"].endswith(": 1")


def test_built_in_rules_are_turned_off(start: Start) -> None:
    server = built_in(start, TAILRACE_ALERTS__BUILTIN="false")
    assert groups(server) == []
    server.kill()
    names = "['AgentSilent','GuardFinding','ErrorRateJump','NewErrorPattern']"
    server.environment |= {
        "TAILRACE_ALERTS__BUILTIN": "true",
        "TAILRACE_ALERTS__DISABLE": names,
    }
    server.start()
    server.until(lambda: len(groups(server)) == 1, "they are read")
    [group] = groups(server)
    assert [rule["name"] for rule in group["rules"]][:2] == ["QueueGrowing", "DeadLetters"]


def test_a_built_in_group_cannot_be_changed(start: Start) -> None:
    server = built_in(start)
    body = NEW.replace("name: more", "name: server").encode()
    assert server.post("/loki/api/v1/rules/built%20in", body).status == 400


def test_a_dead_letter_is_an_alert(start: Start) -> None:
    server = built_in(start)
    ingest(server, 3)
    assert server.stop() == 0, server.log()
    damage(server.data / "queue")
    server.start()
    server.until(lambda: fires(server, "DeadLetters"), "it fires")


def test_what_rows_that_come_late_would_have_changed_is_told(start: Start, rules: Path) -> None:
    rules.write_text(LATE)
    server = started(start, rules)
    began = datetime.now(UTC)

    def evaluated() -> bool:
        seen = [one["lastEvaluation"] for one in groups(server) if one["name"] == "late"]
        return any(datetime.fromisoformat(one) > began + timedelta(seconds=10) for one in seen)

    server.until(evaluated, "there are slots to come late for")
    then = began + timedelta(seconds=3)
    row = {"time": int(then.timestamp() * 1e9), "service": "late", "body": "was offline"}
    assert server.post("/ingest/records", json.dumps(row).encode() + b"\n").status == 200
    server.until(lambda: "lateRows" in late_rule(server), "it is evaluated again")
    told = late_rule(server)["lateRows"]
    assert told["missed"] == [{"service_name": "late"}]
    # Two slots a second apart are within the two seconds of its range.
    assert (told["held"], told["left"], told["unfoundedCount"]) == (2, 0, 0)
    assert server.metric("tailrace_rule_late_changes_total", "missed") == 1


def late_rule(server: Server) -> dict[str, Any]:
    [rule] = [one for group in groups(server) for one in group["rules"] if one["name"] == "Past"]
    return rule
