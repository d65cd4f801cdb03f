"""What Prometheus' own check of rule files refuses is refused, each with its place."""

from __future__ import annotations

import pytest

from tailrace.alerts.rules import fields, reader
from tailrace.alerts.rules.reader import Origin, read, read_group


def problems(text: str) -> list[str]:
    return [str(problem) for problem in read(text).problems]


def of_rule(written: str) -> list[str]:
    """The problems of one rule, whose lines begin in line 4."""
    lines = "\n".join(f"    {line}" for line in written.splitlines())
    return problems(f"groups:\n- name: a\n  rules:\n  -\n{lines}\n")


RULES = [
    ("alert: A", "5:5: expr is empty; a rule needs an expression"),
    ("alert: A\nexpr: ''", "6:5: expr is empty; a rule needs an expression"),
    ("alert: A\nexpr: ' '", "6:5: expr is empty; a rule needs an expression"),
    ("alert: A\nexpr: ~", "6:5: expr is empty; a rule needs an expression"),
    ("alert: A\nexpr: [up]", "6:11: expr has to be a text"),
    ("expr: up", "5:5: a rule needs a name: alert or record"),
    ("alert: ''\nexpr: up", "5:5: a rule needs a name: alert or record"),
    ("alert: A\nrecord: a\nexpr: up", "6:5: a rule has alert or record, not both"),
    ("record: a\nexpr: up\nfor: 5m", "7:5: for is of alerts; this rule records"),
    (
        "record: a\nexpr: up\nkeep_firing_for: 5m",
        "7:5: keep_firing_for is of alerts; this rule records",
    ),
    (
        "record: a\nexpr: up\nannotations: {a: b}",
        "7:5: annotations is of alerts; this rule records",
    ),
    (
        "record: a\nexpr: up\nmin_confidence: 0.9",
        "7:5: min_confidence is of alerts; this rule records",
    ),
    (
        "record: a{b='c'}\nexpr: up",
        "5:5: record has to be the name of a metric, without braces; labels go to labels",
    ),
    (
        "alert: A\nexpr: up\nlabels: {__name__: b}",
        "7:14: __name__ cannot be a label of a rule",
    ),
    ("alert: A\nexpr: up\nlabels: {'': b}", "7:14: a name in labels is empty"),
    ("alert: A\nexpr: up\nlabels: {a: [b]}", "7:17: a of labels has to be a text"),
    ("alert: A\nexpr: up\nlabels: [a]", "7:13: labels has to be a mapping of names to texts"),
    ("alert: A\nexpr: up\nannotations: {'': b}", "7:19: a name in annotations is empty"),
    ("alert: A\nexpr: up\nlabels: {a: b, a: c}", "7:20: 'a' is there twice, first in line 7"),
    ("alert: A\nexpr: up\nalert: B", "7:5: 'alert' is there twice, first in line 5"),
    (
        "alert: A\nexpr: up\nannotation: {a: b}",
        "7:5: unknown field 'annotation' of a rule; is it 'annotations'?",
    ),
    (
        "alert: A\nexpr: up\nlanguage: promsql",
        "7:15: language has to be one of promql, logql, sql",
    ),
    ("alert: A\nexpr: up\n[x]: y", "7:5: a name has to be a text"),
    ("alert: A\nexpr: up\n<<: y", "7:9: << merges mappings"),
    ("alert: A\nexpr: up\nlanguage: logql", "6:11: expr: unknown function 'up'"),
]


@pytest.mark.parametrize(("rule", "problem"), RULES)
def test_a_wrong_rule_has_one_problem_at_its_place(rule: str, problem: str) -> None:
    assert of_rule(rule) == [problem]


NO_DURATIONS = ["5", "5x", "1m1h", "1h1h", "-5m", "1.5h", "", "5 m", "11y", "1us"]
DURATIONS = [
    ("0", 0), ("0s", 0), ("1h30m", 5400), ("1d", 86400), ("1w", 604800), ("90s", 90), ("~", 0),
]  # fmt: skip


@pytest.mark.parametrize("text", NO_DURATIONS)
def test_what_is_no_duration_of_prometheus_is_refused(text: str) -> None:
    (said,) = of_rule(f"alert: A\nexpr: up\nfor: '{text}'")
    assert said.startswith("7:10: for has to be a duration up to ten years such as 30s or 1h30m")


@pytest.mark.parametrize(("text", "seconds"), DURATIONS)
def test_durations_of_prometheus_are_read(text: str, seconds: int) -> None:
    (group,) = read(f"groups: [{{name: a, rules: [{{alert: A, expr: up, for: {text}}}]}}]").groups
    assert group.rules[0].for_ns == seconds * 10**9


@pytest.mark.parametrize(
    ("expr", "problem"),
    [
        ("up > 1", "min_confidence is of rules in LogQL"),
        ('count_over_time({a="b"}[5m])', "min_confidence needs a condition such as EXPR > 10"),
        (
            'weekly_robust_zscore(sum(count_over_time({a="b"}[5m]))) > 3.5',
            "min_confidence is not for weekly_robust_zscore, of which nobody knows how sure it is",
        ),
        (
            'count_over_time({a="b"}[5m]) - weekly_baseline(count_over_time({a="b"}[5m])) > 9',
            "min_confidence is not for weekly_baseline",
        ),
    ],
)
def test_only_a_threshold_on_logs_has_a_confidence(expr: str, problem: str) -> None:
    (said,) = of_rule(f"alert: A\nexpr: {expr}\nmin_confidence: 0.9")
    assert problem in said


@pytest.mark.parametrize(
    ("expr", "problem"),
    [
        ("weekly_robust_zscore(sum(rate(a[5m]))) > 3.5", ""),
        ('weekly_baseline(sum(rate({a="b"} |= "c" [5m]))) > 3', ""),
        ("weekly_baseline(weekly_baseline(a))", "6:27: expr: weekly_baseline stands inside"),
        (
            'weekly_baseline(sum(rate({a="b"} |= "c" [5m])), 9)',
            "6:59: expr: weekly_baseline takes a whole number of weeks from 1 to 8 (QUERY_WEEKS)",
        ),
    ],
)
def test_weekly_functions_are_checked_at_their_place(expr: str, problem: str) -> None:
    said = of_rule(f"alert: A\nexpr: {expr}")
    assert (problem in said[0]) if problem else not said


SQL = "SELECT count() AS value FROM logs"


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        (
            f"alert: A\nexpr: {SQL}",
            "6:5: a rule in SQL needs since, how far before its slot it reads, such as since: 5m",
        ),
        (
            f"record: a\nsince: 0s\nexpr: {SQL}",
            "6:5: a rule in SQL needs since, how far before its slot it reads, such as since: 5m",
        ),
        (
            f"alert: A\nexpr: {SQL}\nsince: 7h",
            "7:5: since is at most 1500 times the interval of the group, which is 15s "
            "(RULE_SQL_INTERVALS): give it a longer one",
        ),
        (
            f"alert: A\nexpr: {SQL}\nsince: 5x",
            "7:12: since has to be a duration up to ten years such as 30s or 1h30m, not '5x'",
        ),
        (f"alert: A\nexpr: {SQL}\nsince: 33d", "7:5: since is at most 32d (SQL_RANGE_S)"),
        ("alert: A\nexpr: up\nsince: 5m", "7:5: since is of rules in SQL; others say it in expr"),
        (
            "alert: A\nstream: '{a=\"b\"}'\nsince: 5m",
            "7:5: since is of rules with expr; this one has stream",
        ),
        (
            f"alert: A\nexpr: {SQL}\nsince: 5m\nmin_confidence: 0.9",
            "8:5: min_confidence is of rules in LogQL",
        ),
        (
            "alert: A\nsince: 5m\nexpr: |\n  SELECT count()\n  FROM system.tables",
            "9:19: expr: there is no table 'system.tables'; the tables are logs, spans, metrics, "
            "series, exemplars",
        ),
        (
            "alert: A\nsince: 5m\nexpr: SELECT 1 FROM logs WHERE Timestamp > {from:DateTime}",
            "7:36: expr: a parameter {name:Type} is not allowed here",
        ),
        (
            "alert: A\nsince: 5m\nexpr: SELECT count(); SELECT 1",
            "7:11: expr: one statement is expected",
        ),
        (
            "alert: A\nsince: 5m\nexpr: 'SELECT quantile(''é'')(1)'",
            "7:28: expr: this text cannot be the parameter of an aggregate function",
        ),
    ],
)
def test_a_rule_in_sql_that_cannot_be_asked_is_refused_at_its_place(
    rule: str, problem: str
) -> None:
    assert of_rule(rule) == [problem]


def test_a_rule_in_sql_looks_back_as_far_as_its_interval_allows() -> None:
    text = f"groups: [{{name: a, interval: 1h, rules: [{{alert: A, since: 32d, expr: {SQL}}}]}}]"
    [group] = read(text).groups
    assert group.rules[0].since_ns == 32 * 86_400 * 10**9


@pytest.mark.parametrize("text", ["1.01", "-0.1", "nan", "inf", "1e3", "x", "0x1", "1_0", "[1]"])
def test_a_confidence_is_from_0_to_1(text: str) -> None:
    (said,) = of_rule(f"alert: A\nexpr: up\nmin_confidence: {text}")
    assert said.startswith("7:21: min_confidence has to be")


GROUPS = [
    ("rules: []", "1:10: a group needs a name"),
    ("name: ''", "1:11: a group needs a name"),
    ("name: a, limit: -1", "1:27: limit has to be a whole number from 0"),
    ("name: a, limit: 1e3", "1:27: limit has to be a whole number from 0"),
    ("name: a, rules: {a: b}", "1:27: rules has to be a list"),
    ("name: a, labels: {__name__: b}", "1:29: __name__ cannot be a label of a rule"),
    (
        "name: a, evaluation_interval: 1m",
        "1:20: unknown field 'evaluation_interval' of a group",
    ),
    ("name: a, interval: 10ms", "1:20: interval has to be at least 1s (RULE_INTERVAL_LEAST_S)"),
]


@pytest.mark.parametrize(("group", "problem"), GROUPS)
def test_a_wrong_group_has_one_problem_at_its_place(group: str, problem: str) -> None:
    (said,) = problems(f"groups: [{{{group}}}]")
    assert said.startswith(problem)


FILES = [
    ("groups: a", "1:9: groups has to be a list"),
    ("a", "1:1: the file has to be a mapping of groups, namespace"),
    ("[a]", "1:1: the file has to be a mapping of groups, namespace"),
    ("group: [{name: a}]", "1:1: unknown field 'group' of the file; is it 'groups'?"),
    ("groups: [a]", "1:10: a group has to be a mapping of name, interval"),
    ("groups: [{name: a, rules: [b]}]", "1:28: a rule has to be a mapping of record, alert"),
    (
        "groups:\n- name: a\n- name: a\n",
        "3:3: the group 'a' is there twice, first in line 2",
    ),
    (
        "groups: []\n---\ngroups: []\n",
        "3:1: a document after the first needs a namespace of its own",
    ),
]


@pytest.mark.parametrize(("text", "problem"), FILES)
def test_a_wrong_file_has_its_problem_first(text: str, problem: str) -> None:
    assert problems(text)[0].startswith(problem)


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "---\n", "groups:\n", "groups: []", "~"])
def test_a_file_without_groups_is_no_mistake(text: str) -> None:
    found = read(text)
    assert (found.groups, found.problems) == ((), ())


def test_all_problems_are_told_in_the_order_of_the_file() -> None:
    text = "groups:\n- name: a\n  limit: x\n  rules:\n  - alert: A\n    expr: up ?\n    fro: 1m\n"
    lines = [problem.line for problem in read(text).problems]
    assert lines == [3, 6, 7]


def test_rules_that_cannot_be_told_apart_are_a_warning() -> None:
    rule = "  - {alert: A, expr: up, labels: {b: c}}\n"
    found = read(f"groups:\n- name: a\n  rules:\n{rule}{rule}{rule}")
    said = "5:5: warning: 'A' is in this group before, with the same labels"
    assert [str(one) for one in found.problems] == [said]
    assert len(found.groups[0].rules) == 3


def test_a_label_that_has_to_be_quoted_is_a_warning() -> None:
    found = read("groups: [{name: a, labels: {b-c: d}}]")
    said = "1:29: warning: the label 'b-c' has to be quoted in queries"
    assert [str(one) for one in found.problems] == [said]
    assert found.groups[0].labels == (("b-c", "d"),)


def test_templates_of_alerts_are_checked_where_they_stand() -> None:
    text = """\
groups:
- name: a
  labels: {x: "{{ group"}
  rules:
  - alert: A
    expr: up
    labels: {y: "{{ label"}
    annotations:
      z: |
        {{ text
  - record: r
    expr: up
    labels: {w: "{{ no template"}
"""
    found = read(text, check_template=lambda given: "is open" if "{{" in given else None)
    assert [str(one) for one in found.problems] == [
        "3:15: the template of x: is open",
        "7:17: the template of y: is open",
        "9:10: the template of z: is open",
    ]


def test_an_expression_is_checked_in_the_language_of_its_group_or_its_own() -> None:
    text = (
        "groups: [{name: a, language: promql, rules: ["
        '{alert: A, expr: "rate({b=`c`}[1m])"}, '
        '{alert: A, expr: "rate({b=`c`}[1m])", language: logql}]}]'
    )
    (group,) = read(text).groups
    assert [rule.language for rule in group.rules] == ["promql", "logql"]


def test_what_a_reader_is_told_is_in_the_groups() -> None:
    text = "{name: a, interval: 0s, rules: [{alert: A, expr: 'rate({b=`c`}[1m])'}]}"
    (group,) = read_group(text, Origin("acme", "x", "api", "logql", 60 * 10**9)).groups
    assert (group.tenant, group.folder, group.origin) == ("acme", "x", "api")
    assert (group.interval_ns, group.rules[0].language) == (60 * 10**9, "logql")


@pytest.mark.parametrize("text", ["", "groups: []", "{name: a}\n---\n{name: b}\n"])
def test_one_group_is_one_group(text: str) -> None:
    assert read_group(text).errors


def test_rules_and_groups_beyond_their_bounds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "RULE_GROUPS", 2)
    monkeypatch.setattr(reader, "RULES_PER_GROUP", 2)
    rules = "[{alert: A, expr: up}, {alert: B, expr: up}, {alert: C, expr: up}]"
    assert "RULES_PER_GROUP" in problems(f"groups: [{{name: a, rules: {rules}}}]")[0]
    assert "RULE_GROUPS" in problems("groups: [{name: a}, {name: b}, {name: c}]")[0]
    assert "RULE_GROUPS" in problems("x: [{name: a}, {name: b}]\ny: [{name: c}]")[0]


def test_rules_of_a_file_beyond_their_bound_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "RULES_PER_FILE", 1)
    rules = "[{alert: A, expr: up}]"
    text = f"groups: [{{name: a, rules: {rules}}}, {{name: b, rules: {rules}}}]"
    assert "RULES_PER_FILE" in problems(text)[0]


def test_labels_and_texts_beyond_their_bounds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fields, "RULE_LABELS", 1)
    monkeypatch.setattr(fields, "RULE_TEMPLATE_CHARS", 3)
    assert "RULE_LABELS" in of_rule("alert: A\nexpr: up\nlabels: {a: b, c: d}")[0]
    assert "RULE_TEMPLATE_CHARS" in of_rule("alert: A\nexpr: up\nlabels: {a: bcde}")[0]


def test_names_beyond_their_bound_are_refused() -> None:
    long = "x" * 501
    assert of_rule(f"alert: {long}\nexpr: up") == ["5:12: alert is longer than 500 characters"]
    (said,) = of_rule(f"alert: A\nexpr: up\nlabels: {{{long}: b}}")
    assert said == "7:14: the name is longer than 500 characters"
