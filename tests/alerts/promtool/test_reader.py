"""Files of unit tests, and what is wrong with them."""

from __future__ import annotations

import math

import pytest

from tailrace.alerts.promtool.reader import read
from tailrace.alerts.promtool.suite import ExpectedAlert
from tailrace.core.limits import RULE_TEST_CASES

S = 1_000_000_000
WHOLE = """
rule_files: [alerts.yml, "more/*.yml"]
evaluation_interval: 30s
group_eval_order: [first, second]
fuzzy_compare: true
tests:
  - name: the service is down
    interval: 1m
    start_timestamp: 2026-01-01T00:00:00Z
    input_series:
      - series: 'up{job="api"}'
        values: '1 0x5 _ stale'
    external_labels: {region: eu}
    external_url: https://logs.example.org
    alert_rule_test:
      - eval_time: 5m
        alertname: Down
        exp_alerts:
          - exp_labels: {job: api, severity: page}
            exp_annotations: {summary: api is down}
      - eval_time: 1m
        alertname: Down
    promql_expr_test:
      - expr: sum(up)
        eval_time: 1h30m
        exp_samples:
          - labels: '{}'
            value: 2
          - labels: up{job="api"}
            value: -.inf
"""


def test_a_whole_file_is_read() -> None:
    reading = read(WHOLE)
    assert reading.problems == ()
    suite = reading.suite
    assert suite is not None
    assert suite.rule_files == ("alerts.yml", "more/*.yml")
    assert (suite.interval_ns, suite.fuzzy, suite.order) == (30 * S, True, ("first", "second"))
    [test] = suite.tests
    assert (test.name, test.line) == ("the service is down", 7)
    assert (test.interval_ns, test.start_ns) == (60 * S, 1_767_225_600 * S)
    assert test.external_labels == {"region": "eu"}
    assert test.external_url == "https://logs.example.org"
    [series] = test.series
    assert series.labels == (("__name__", "up"), ("job", "api"))
    assert series.values == (1.0, *[0.0] * 6, None, "stale")
    down, other = test.alerts
    assert (down.at_ns, down.name, down.line) == (300 * S, "Down", 16)
    labels = (("job", "api"), ("severity", "page"))
    assert down.expected == (ExpectedAlert(labels, (("summary", "api is down"),)),)
    assert other.expected == ()
    [expr] = test.exprs
    assert (expr.expr, expr.at_ns) == ("sum(up)", 5_400 * S)
    assert expr.expected == (((), 2.0), ((("__name__", "up"), ("job", "api")), -math.inf))
    assert test.last_ns == 5_400 * S


def test_a_test_of_logs_begins_at_a_time_that_lines_can_have() -> None:
    suite = read("tests: [{input_logs: [{labels: '{a=\"b\"}', line: x, counts: '1'}]}]").suite
    assert suite is not None
    assert suite.tests[0].start_ns == 946_684_800 * S


def test_what_is_left_out_is_as_in_promtool() -> None:
    suite = read("tests: [{}]").suite
    assert suite is not None
    assert (suite.interval_ns, suite.fuzzy) == (60 * S, False)
    assert (suite.tests[0].interval_ns, suite.tests[0].start_ns) == (60 * S, 0)


ALERTS = "tests:\n - alert_rule_test:\n   - "
EXPRS = "tests:\n - promql_expr_test:\n   - "
WRONG = [
    ("tests:\n  - nam: x\n", "2:5: unknown field 'nam' of a test; is it 'name'?"),
    ("tests:\n - input_series:\n   - series: up\n     values: '1 two'\n", "4:17: 'two' is none of"),
    ("tests:\n - input_series:\n   - series: 'up{'\n", "3:1"),
    ("tests:\n - input_series:\n   - series: '{a=\"b\"}'\n", "3:14: a series needs a name"),
    (f"{ALERTS}eval_time: 5m\n", "3:6: a test of alerts needs an alertname"),
    (f"{ALERTS}{{alertname: a, eval_time: soon}}\n", "eval_time has to be"),
    (f"{EXPRS}expr: sum(up\n", "expr: "),
    (f"{EXPRS}eval_time: 5m\n", "needs an expr"),
    (f"{EXPRS}expr: up\n     exp_samples: [{{value: two}}]\n",
     "4:28: value has to be a number, not 'two'"),
    (f"{EXPRS}expr: up\n     exp_samples: [{{labels: 'sum('}}]\n", "4:"),
    ("tests:\n - start_timestamp: yesterday\n", "2:21: start_timestamp='yesterday' is no time"),
    ("tests:\n - input_logs: [{labels: '{}', line: x}]\n", "2:18: labels have to be such as"),
    ("tests:\n - input_logs: [{labels: '{a=\"b\"}', counts: '1 -1'}]\n", "2:37: counts are from 0"),
    ("tests:\n - input_logs: [{labels: '{a=\"b\"}', counts: '500001'}]\n", "RULE_TEST_SAMPLES"),
    ("fuzzy_compare: perhaps\n", "1:1: fuzzy_compare has to be true or false"),
    ("group_eval_order: [a, a]\n", "'a' is there twice"),
    ("rule_files: [[a]]\n", "rule_files is a list of texts"),
    ("tests: {}\n", "tests has to be a list"),
    ("- a\n", "a file of tests has to be a mapping"),
    ("a: [\n", "2:1: "),
    ("", "one document with tests is expected"),
    ("tests: []\n---\ntests: []\n", "one document with tests is expected"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "says"), WRONG)
def test_a_mistake_is_told_with_its_place(text: str, says: str) -> None:
    reading = read(text)
    assert reading.suite is None
    assert any(says in str(problem) for problem in reading.problems), reading.problems


def test_there_are_so_many_cases_and_no_more() -> None:
    some = "tests:\n" + " - name: a\n" * RULE_TEST_CASES
    assert read(some).suite is not None
    assert any("RULE_TEST_CASES" in str(one) for one in read(some + " - name: a\n").problems)
