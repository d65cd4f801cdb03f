"""Unit tests of rules have the same verdict from promtool as from the command."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.alerts.promtool.theirs import SUITES, judged, unpacked

from tailrace.cli import main


def written(folder: Path, kind: str) -> dict[Path, str]:
    """A file for each test of suites/KIND.yml, and its name."""
    groups = [
        group
        for name in ("rules.yml", "asking.yml")
        for group in yaml.safe_load((SUITES / name).read_text())["groups"]
    ]
    found = {}
    for number, one in enumerate(yaml.safe_load((SUITES / f"{kind}.yml").read_text())):
        path, rules = folder / f"{kind}{number}.yml", folder / f"{kind}{number}.rules.yml"
        rules.write_text(yaml.safe_dump({"groups": needed(groups, yaml.safe_dump(one))}))
        whole = {"rule_files": [rules.name], "tests": [{"interval": "1m", **one}]}
        path.write_text(yaml.safe_dump(whole))
        found[path] = one["name"]
    return found


def needed(groups: list[dict[str, Any]], text: str) -> list[dict[str, Any]]:
    """The groups with the rules that a test speaks of, and those that these read: most take long,
    since what asks is asked at each time by itself. Of ALERTS all are read."""
    if re.search("ALERTS|Paged", text):
        return groups
    rules = {name_of(rule): rule for one in groups for rule in one["rules"]}
    kept: set[str] = {"Always"}
    while more := {name for name in rules.keys() - kept if name in text}:
        kept |= more
        text += yaml.safe_dump([rules[name] for name in more])
    return [
        {**one, "rules": some}
        for one in groups
        if (some := [rule for rule in one["rules"] if name_of(rule) in kept])
    ]


def name_of(rule: dict[str, Any]) -> str:
    return str(rule.get("alert") or rule["record"])


@unpacked
@pytest.mark.parametrize(("kind", "passes"), [("right", True), ("wrong", False)])
def test_promtool_and_the_command_say_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, passes: bool
) -> None:
    files = written(tmp_path, kind)
    theirs = judged(list(files))
    main(["rules", "test", *map(str, files)])
    ours = capsys.readouterr().out.splitlines()
    passed = {path for path in files if f"{path}: 1 test passed" in ours}
    expected = set(files.values()) if passes else set()
    assert {files[path] for path in passed} == expected, ours
    assert {files[path] for path, said in theirs.items() if not said} == expected, theirs


@unpacked
def test_what_is_otherwise_is_what_the_page_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Windows are open on the left, as of Prometheus 3; Debian's is older."""
    assert "open on the left" in (SUITES.parents[3] / "docs" / "promql.md").read_text()
    case = "{interval: 1m, input_series: [{series: m, values: 1x9}], promql_expr_test: [{expr: "
    case += "'count_over_time(m[5m])', eval_time: 7m, exp_samples: [{value: %d}]}]}"
    files = {number: tmp_path / f"{number}.yml" for number in (5, 6)}
    for number, path in files.items():
        path.write_text(f"tests: [{case % number}]")
    main(["rules", "test", *map(str, files.values())])
    ours = capsys.readouterr().out.splitlines()
    assert f"{files[5]}: 1 test passed" in ours and f"{files[6]}: 1 of 1 test failed" in ours
    theirs = judged(list(files.values()))
    assert theirs[files[5]] and not theirs[files[6]]
