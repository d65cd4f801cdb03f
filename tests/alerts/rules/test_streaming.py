"""Rules that watch lines, as they are written in a rule file."""

from __future__ import annotations

import pytest

from tailrace.alerts.rule import Group, parted, rule_id
from tailrace.alerts.rules.reader import read

PANIC = "alert: A\nstream: '{a=\"b\"} |= `panic`'"


def text(*rules: str) -> str:
    listed = ["  -\n" + "\n".join(f"    {line}" for line in one.splitlines()) for one in rules]
    return "groups:\n- name: a\n  rules:\n" + "\n".join(listed) + "\n"


def group(*rules: str) -> Group:
    [found] = read(text(*rules)).groups
    return found


def test_a_stream_is_a_log_query_with_a_time_of_quiet_and_labels() -> None:
    [rule] = group(f"{PANIC}\nquiet: 1m\nby: [service_name, code]").rules
    assert (rule.expr, rule.language, rule.streams) == ('{a="b"} |= `panic`', "logql", True)
    assert (rule.quiet_ns, rule.by) == (60 * 10**9, ("service_name", "code"))


def test_without_them_it_is_quiet_after_five_minutes_by_the_labels_of_the_stream() -> None:
    [rule] = group(PANIC).rules
    assert (rule.quiet_ns, rule.by) == (300 * 10**9, ())


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        (f"{PANIC}\nexpr: up", "7:5: expr is of rules with expr; this one has stream"),
        (f"{PANIC}\nfor: 5m", "7:5: for is of rules with expr; this one has stream"),
        (f"{PANIC}\noffset: 5m", "7:5: offset is of rules with expr; this one has stream"),
        (f"{PANIC}\nquiet: 9s", "7:5: quiet has to be at least 10s (STREAM_QUIET_LEAST_S)"),
        (f"{PANIC}\nby: [a-b]", "7:10: by has to be a list of names of labels"),
        (f"{PANIC}\nby: a", "7:9: by has to be a list"),
        ("alert: A\nexpr: up\nquiet: 1m", "7:5: quiet is of rules with stream; this one has expr"),
        ("alert: A\nstream: ''", "6:5: stream is empty; a rule needs an expression"),
        ("record: a\nstream: '{a=\"b\"}'", "6:5: stream is of alerts; this rule records"),
        (
            "alert: A\nstream: 'rate({a=\"b\"}[1m])'",
            '6:14: stream: a stream is of lines, such as {...} |= "panic"; numbers go to expr',
        ),
        (
            "alert: A\nstream: '{a=\"b\"} |= '",
            "6:24: stream: expected a quoted string after |=, found the end",
        ),
    ],
)
def test_a_wrong_one_is_told_with_its_place(rule: str, problem: str) -> None:
    assert [str(one) for one in read(text(rule)).problems] == [problem]


def test_a_pattern_that_cannot_run_is_told() -> None:
    [problem] = read(text('alert: A\nstream: \'{a="b"} |~ "("\'')).problems
    assert (problem.line, "RE2" in problem.message) == (6, True)


def test_a_group_is_parted_and_its_rules_keep_their_ids() -> None:
    whole = group(PANIC, "alert: B\nexpr: up", PANIC.replace("panic", "fatal"))
    [evaluated], [streamed] = parted([whole])
    assert [one.name for one in evaluated.rules] == ["B"]
    assert rule_id(evaluated, 0) == rule_id(whole, 1)
    assert [rule_id(streamed, n) for n in (0, 1)] == [rule_id(whole, n) for n in (0, 2)]
