"""Files as people have them are read whole, written, and read as the same."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from tailrace.alerts.rule import Group
from tailrace.alerts.rules.reader import Origin, Reading, read
from tailrace.alerts.rules.writer import write_file

CORPUS = Path(__file__).parent / "corpus"
MINUTE_NS = 60 * 10**9
PAGE = Path(__file__).parents[3] / "docs" / "rules.md"


def reading(name: str) -> Reading:
    found = read((CORPUS / name).read_bytes(), Origin("acme", name))
    assert [str(one) for one in found.problems] == []
    return found


def groups(name: str) -> dict[str, Group]:
    return {group.name: group for group in reading(name).groups}


@pytest.mark.parametrize("path", sorted(CORPUS.iterdir()), ids=lambda path: path.name)
def test_a_file_is_written_as_it_was_read(path: Path) -> None:
    found = reading(path.name).groups
    assert read(write_file(found, path.name), Origin("acme", path.name)).groups == found


@pytest.mark.parametrize(
    ("name", "languages"),
    [
        ("node.yml", {"promql": 5}),
        ("cluster.yml", {"promql": 9}),
        ("loki.yml", {"logql": 7}),
        ("ours.yml", {"logql": 1, "promql": 1, "sql": 1}),
    ],
)
def test_every_rule_is_in_its_language(name: str, languages: dict[str, int]) -> None:
    found = Counter(rule.language for group in reading(name).groups for rule in group.rules)
    assert found == languages


def test_an_alert_has_what_its_file_says() -> None:
    group = groups("node.yml")["node.alerts"]
    assert (group.interval_ns, group.labels) == (MINUTE_NS // 2, (("team", "machines"),))
    rule = group.rules[0]
    assert (rule.alert, rule.record, rule.line) == ("NodeDiskFillsSoon", "", 8)
    assert (rule.for_ns, rule.keep_firing_ns) == (60 * MINUTE_NS, 5 * MINUTE_NS)
    assert rule.labels == (("severity", "warning"),)
    assert rule.expr.startswith("(\n  node_filesystem_avail_bytes")
    assert [name for name, _ in rule.annotations] == ["description", "summary"]
    assert "has only {{ printf" in rule.annotations[0][1]


def test_numbers_and_truth_are_texts_in_labels() -> None:
    rule = groups("node.yml")["node.alerts"].rules[2]
    assert rule.labels == (("page", "true"), ("severity", "critical"), ("tier", "1"))


def test_aliases_and_merges_are_followed() -> None:
    rules = groups("cluster.yml")["cluster.burn"].rules
    assert rules[1].labels == (("verb", "read"),)
    assert rules[2].labels == (("verb", "read"), ("window", "1h"))


def test_a_namespace_is_the_folder_of_its_groups() -> None:
    assert [group.key for group in reading("loki.yml").groups] == [
        ("acme", "shop", "errors"),
        ("acme", "batch", "errors"),
    ]


def test_a_rule_waits_as_long_as_its_group_or_as_it_says() -> None:
    group = groups("ours.yml")["sampled"]
    assert [rule.offset_ns for rule in group.rules] == [MINUTE_NS // 2, MINUTE_NS]
    assert group.offset_ns == MINUTE_NS // 2


def test_a_threshold_says_how_sure_it_has_to_be() -> None:
    assert groups("ours.yml")["sampled"].rules[0].min_confidence == 0.95


def test_a_rule_in_sql_says_how_far_back_it_reads() -> None:
    assert groups("ours.yml")["asked"].rules[0].since_ns == 5 * MINUTE_NS


def test_the_example_of_the_page_is_one() -> None:
    block = re.findall(r"(?:^ {4}.*\n|^\n(?= {4}))+", PAGE.read_text(), re.MULTILINE)[0]
    found = read(re.sub(r"^ {4}", "", block, flags=re.MULTILINE))
    assert not found.problems
    languages = [rule.language for group in found.groups for rule in group.rules]
    assert languages == ["promql", "logql", "promql"]


def test_groups_by_namespace_are_read() -> None:
    text = "shop:\n- name: a\n  rules: []\n- name: b\nteam/x:\n- {name: a, rules: []}\n"
    found = read(text, Origin("acme", "file"))
    assert not found.problems
    assert [(group.folder, group.name) for group in found.groups] == [
        ("shop", "a"), ("shop", "b"), ("team/x", "a"),
    ]  # fmt: skip
