"""Unit tests of rules through the command, over a real store."""

from __future__ import annotations

from pathlib import Path

import pytest

from tailrace.cli import main

RULES = """
groups:
  - name: service
    labels: {team: shop}
    rules:
      - record: job:errors:rate
        expr: sum by (job) (rate(errors_total[5m]))
      - alert: HighErrors
        expr: job:errors:rate > 0.5
        for: 2m
        labels: {severity: page, region: "{{ $externalLabels.region }}"}
        annotations:
          summary: "{{ $labels.job }} has {{ $value | humanize }} errors a second"
      - alert: Down
        expr: up == 0
        keep_firing_for: 3m
        annotations: {up: '{{ with query "sum(up)" }}{{ . | first | value }}{{ end }}'}
"""
TESTS = """
rule_files: [rules.yml]
evaluation_interval: 1m
tests:
  - name: errors
    interval: 1m
    external_labels: {region: eu}
    input_series:
      - {series: 'errors_total{job="api", host="a"}', values: '0+60x20'}
      - {series: 'errors_total{job="web", host="a"}', values: '0+1x20'}
    alert_rule_test:
      - {eval_time: 1m, alertname: HighErrors}
      - eval_time: 10m
        alertname: HighErrors
        exp_alerts:
          - exp_labels: {job: api, severity: page, team: shop, region: eu}
            exp_annotations: {summary: api has 1 errors a second}
    promql_expr_test:
      - expr: job:errors:rate{job="api"}
        eval_time: 10m
        exp_samples: [{labels: 'job:errors:rate{job="api", team="shop"}', value: 1}]
      - {expr: time(), eval_time: 5m, exp_samples: [{value: 300}]}
      - {expr: errors_total offset 10m, eval_time: 10m, exp_samples: [
          {labels: 'errors_total{job="api", host="a"}', value: 0},
          {labels: 'errors_total{job="web", host="a"}', value: 0}]}
  - name: down and up again
    interval: 1m
    input_series:
      - {series: 'up{host="a"}', values: '1 0 1x10'}
      - {series: 'up{host="b"}', values: '1 stale'}
    alert_rule_test:
      - {eval_time: 0m, alertname: Down}
      - eval_time: 1m
        alertname: Down
        exp_alerts: [{exp_labels: {host: a, team: shop}, exp_annotations: {up: "0"}}]
      - eval_time: 4m59s
        alertname: Down
        exp_alerts: [{exp_labels: {host: a, team: shop}, exp_annotations: {up: "0"}}]
      - {eval_time: 5m, alertname: Down}
    promql_expr_test:
      - expr: count(up)
        eval_time: 1m
        exp_samples: [{value: 1}]
"""

LOG_RULES = """
groups:
  - name: shop
    rules:
      - alert: Declined
        expr: sum by (service_name) (rate({service_name="shop"} |= "declined" [5m])) > 0.02
        for: 2m
        annotations: {summary: "{{ $value }} declined a second"}
"""
LOG_TESTS = """
rule_files: [rules.yml]
tests:
  - input_logs:
      - {labels: '{app="shop"}', line: payment declined, counts: '3x10 0x10'}
      - {labels: '{app="shop"}', line: payment done, counts: '7x20'}
    alert_rule_test:
      - {eval_time: 1m, alertname: Declined}
      - eval_time: 5m
        alertname: Declined
        exp_alerts:
          - exp_labels: {service_name: shop}
            exp_annotations: {summary: 0.05 declined a second}
      - {eval_time: 20m, alertname: Declined}
"""

WEEKLY_RULES = """
groups:
  - name: unusual
    rules:
      - alert: UnusualRequests
        expr: abs(weekly_robust_zscore(requests)) > 3.5 and requests > 10
        for: 1h
        annotations: {summary: "{{ $value | printf `%.1f` }} deviations"}
      - alert: FewOrders
        expr: >-
          (sum(rate({service_name="shop"} |= "placed" [2h])) or vector(0))
          < 0.5 * weekly_baseline(sum(rate({service_name="shop"} |= "placed" [2h])))
"""
# Three weeks, and then 16 hours of a fourth.
WEEKLY_TESTS = """
rule_files: [rules.yml]
evaluation_interval: 1h
tests:
  - interval: 15m
    input_series:
      - {series: 'requests{app="a"}', values: '20 21 22 23 24x2011 20 22 24x20 70x25'}
      - {series: 'requests{app="new"}', values: '_x2000 20x80'}
    alert_rule_test:
      - {eval_time: 509h, alertname: UnusualRequests}
      - eval_time: 511h
        alertname: UnusualRequests
        exp_alerts:
          - {exp_labels: {app: a}, exp_annotations: {summary: "+Inf deviations"}}
  - interval: 1h
    input_logs:
      - {labels: '{app="shop"}', line: order placed, counts: '4x503 4x5 0x3 4x9'}
    alert_rule_test:
      - {eval_time: 508h, alertname: FewOrders}
      - eval_time: 511h
        alertname: FewOrders
        exp_alerts: [{exp_labels: {}}]
      - {eval_time: 519h, alertname: FewOrders}
"""

SQL_RULES = """
groups:
  - name: shop
    rules:
      - record: declined
        since: 1m
        expr: >-
          SELECT ServiceName AS service, count() AS value FROM logs
          WHERE Body LIKE '%declined' GROUP BY service
      - alert: Declined
        since: 5m
        for: 2m
        offset: 1m
        expr: >-
          SELECT Labels['service'] AS service, sum(Value) AS value FROM metrics
          WHERE MetricName = 'declined' AND Timestamp > now() - INTERVAL 3 MINUTE
          GROUP BY service HAVING value > 6
        annotations:
          summary: >-
            {{ $value }} declined; in all
            {{ with query "SELECT count() AS value FROM logs" }}{{ . | first | value }}{{ end }}
"""
SQL_TESTS = """
rule_files: [rules.yml]
tests:
  - input_logs:
      - {labels: '{app="shop"}', line: payment declined, counts: '3x10 0x10'}
    alert_rule_test:
      - {eval_time: 4m, alertname: Declined}
      - eval_time: 5m
        alertname: Declined
        exp_alerts:
          - exp_labels: {service: shop}
            exp_annotations: {summary: 9 declined; in all 15}
      - {eval_time: 13m, alertname: Declined}
    promql_expr_test:
      - {expr: declined, eval_time: 4m, exp_samples: [
          {labels: 'declined{service="shop"}', value: 3}]}
"""


def run(folder: Path, tests: str, rules: str = RULES) -> int:
    (folder / "rules.yml").write_text(rules)
    (folder / "tests.yml").write_text(tests)
    return main(["rules", "test", str(folder / "tests.yml")])


def test_rules_that_do_what_is_expected_pass(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    passed = run(tmp_path, TESTS)
    said = capsys.readouterr()
    assert (passed, said.err) == (0, "")
    assert said.out == f"{tmp_path}/tests.yml: 2 tests passed\n"


def test_rules_over_logs_are_tested_with_lines(tmp_path: Path) -> None:
    assert run(tmp_path, LOG_TESTS, LOG_RULES) == 0


def test_rules_on_the_weeks_before_are_tested_over_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    passed = run(tmp_path, WEEKLY_TESTS, WEEKLY_RULES)
    assert (passed, capsys.readouterr().err) == (0, "")


def test_rules_in_sql_see_lines_and_what_rules_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    passed = run(tmp_path, SQL_TESTS, SQL_RULES)
    assert (passed, capsys.readouterr().err) == (0, "")


def test_what_is_otherwise_is_told_with_its_line_and_the_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = TESTS.replace("severity: page, team", "severity: info, team").replace(
        "value: 300", "value: 3"
    )
    assert run(tmp_path, wrong) == 1
    said = capsys.readouterr()
    assert said.out == f"{tmp_path}/tests.yml: 1 of 2 tests failed\n"
    assert f"{tmp_path}/tests.yml:13: errors: HighErrors at 10m:\n" in said.err
    assert 'severity="info", team="shop"}\n    + {' in said.err
    assert ": errors: time() at 5m:\n    - {} 3\n    + {} 300\n" in said.err


def test_a_rule_that_fails_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules = RULES.replace("up == 0", "up / on() group_left() up")
    assert run(tmp_path, TESTS, rules) == 1
    assert "down and up again: the rule Down (line 14): " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("tests", "rules", "says"),
    [
        ("tests: [{nam: x}]", RULES, "tests.yml:1:10: unknown field 'nam'"),
        ("rule_files: [nosuch.yml]", RULES, "no file matches nosuch.yml"),
        (TESTS, "groups: [{}]", "rules.yml:1:10: a group needs a name"),
        (TESTS, RULES.replace("$value", "$valeu"), "undefined variable $valeu"),
    ],
)
def test_a_file_that_is_wrong_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], tests: str, rules: str, says: str
) -> None:
    assert run(tmp_path, tests, rules) == 1
    assert says in capsys.readouterr().err


def test_a_file_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "test", "/nonexistent/tests.yml"]) == 1
    assert "No such file" in capsys.readouterr().err
