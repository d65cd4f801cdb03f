"""How unit tests are run, over a store whose answers a test writes down."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from tests.alerts.evaluation.answers import Answer, Answers

from tailrace.alerts.promtool.reader import read
from tailrace.alerts.promtool.running import Failure, failures
from tailrace.alerts.promtool.suite import Suite
from tailrace.alerts.rule import Group, Rule
from tailrace.core import limits
from tailrace.core.sample import Sample

S = 1_000_000_000
DOWN = Rule("up == 0", "promql", alert="Down", line=3)
RECORDS = Rule("up", "promql", record="job:up")


class Bench(Answers):
    """Keeps what is put."""

    def __init__(self, **answers: Answer) -> None:
        super().__init__({name.replace("_is_0", " == 0"): one for name, one in answers.items()})
        self.ask = self
        self.samples: list[Sample] = []
        self.lines: dict[object, Sequence[tuple[int, str]]] = {}

    async def put(self, tenant: str, samples: Sequence[Sample]) -> None:
        self.samples += samples

    async def put_lines(
        self, tenant: str, labels: Mapping[str, str], lines: Sequence[tuple[int, str]]
    ) -> None:
        self.lines[tuple(labels.items())] = lines


def suite(test: str, head: str = "") -> Suite:
    found = read(f"{head}\ntests: [{{{test}}}]").suite
    assert found is not None
    return found


def group(*rules: Rule, name: str = "g") -> Group:
    return Group("", "rules.yml", name, rules, 15 * S)


def run(bench: Bench, found: Suite, *groups: Group) -> list[Failure]:
    return asyncio.run(failures(found, found.tests[0], groups, bench, "t"))


def up(second: int) -> dict[tuple[tuple[str, str], ...], float]:
    return {(("host", "a"),): 0.0}


FIRES = "alert_rule_test: [{eval_time: 3m, alertname: Down, exp_alerts: [{exp_labels: {host: a}}]}]"


def test_rules_are_asked_once_for_all_evaluations() -> None:
    bench = Bench(up_is_0=up)
    assert run(bench, suite(FIRES), group(DOWN)) == []
    [(_, grid)] = bench.asked
    assert (grid.start_ns, grid.step_ns, grid.steps) == (0, 60 * S, 4)


@pytest.mark.parametrize(
    "rules",
    [
        (Rule("job:up == 0", "promql", alert="Down"), Rule("up", "promql", record="job:up")),
        (Rule("sum(job:up)", "promql", record="job:up"),),
        (replace(DOWN, annotations=(("a", '{{ query "up" }}'),)),),
        (Rule("up offset -5m", "promql", record="x"),),
        (Rule("up @ end()", "promql", record="x"),),
        (Rule('{job="a"}', "promql", record="x"),),
    ],
)
def test_rules_that_may_read_what_comes_later_are_asked_evaluation_by_evaluation(
    rules: tuple[Rule, ...],
) -> None:
    bench = Bench()
    bench.answers = {rule.expr: up for rule in rules} | {"up": up}
    run(bench, suite("alert_rule_test: [{eval_time: 2m, alertname: x}]"), group(*rules))
    asked = [grid.start_ns for expr, grid in bench.asked if expr == rules[0].expr]
    assert asked == [0, 60 * S, 120 * S]


def test_for_is_counted_in_evaluations_of_the_test() -> None:
    found = suite(FIRES.replace("3m", "4m59s"))
    assert run(Bench(up_is_0=up), found, group(replace(DOWN, for_ns=240 * S))) == []
    assert run(Bench(up_is_0=up), found, group(replace(DOWN, for_ns=300 * S))) != []


def test_groups_that_are_named_come_first_and_in_their_order() -> None:
    bench = Bench(a=up, b=up, c=up)
    groups = [group(Rule(name, "promql", record=f"r{name}"), name=name) for name in "abc"]
    run(bench, suite("", "group_eval_order: [c, b]"), *groups)
    assert [expr for expr, _ in bench.asked] == ["c", "b", "a"]


def test_what_a_rule_records_is_put_into_the_store_with_its_ends() -> None:
    bench = Bench(up=lambda second: up(second) if second < 120 else {})
    run(bench, suite("promql_expr_test: [{expr: up, eval_time: 2m}]"), group(RECORDS))
    assert [(one.time, one.stale) for one in bench.samples] == [
        (1, False), (60 * S, False), (120 * S, True),
    ]  # fmt: skip


def test_series_begin_at_the_start_of_their_test() -> None:
    bench = Bench()
    test = "start_timestamp: 100, interval: 10s, input_series: [{series: up, values: '1 _ stale'}]"
    run(bench, suite(test))
    assert [(one.time, one.value, one.stale) for one in bench.samples] == [
        (100 * S, 1.0, False), (120 * S, "NaN", True),
    ]  # fmt: skip


def test_lines_are_put_so_many_times_at_each_interval() -> None:
    bench = Bench()
    test = "start_timestamp: 100, interval: 10s, input_logs: "
    run(bench, suite(test + "[{labels: '{app=\"x\"}', line: hello, counts: '2 0 _ 1'}]"))
    lines = [(100 * S, "hello"), (100 * S, "hello"), (130 * S, "hello")]
    assert bench.lines == {(("app", "x"),): lines}


def test_two_series_that_become_one_alert_are_an_error_of_the_rule() -> None:
    bench = Bench(up_is_0=lambda _: {(("host", "a"),): 0.0, (("host", "b"),): 0.0})
    [failure] = run(bench, suite(FIRES), group(replace(DOWN, labels=(("host", ""),))))
    assert failure.message == (
        "the rule Down (line 3): two series become one alert: their labels are alike"
    )


def test_a_test_of_too_many_evaluations_is_refused() -> None:
    found = suite("promql_expr_test: [{expr: up, eval_time: 1y}]")
    [failure] = run(Bench(), found)
    assert str(limits.RULE_TEST_STEPS) in failure.message
