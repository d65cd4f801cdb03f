"""Unit tests of rules have the same verdict from promtool as from the command."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from tests.alerts.promtool.theirs import SUITES, judged, unpacked

from tailrace.cli import main


def written(folder: Path, kind: str) -> dict[Path, str]:
    """A file for each test of suites/KIND.yml, and its name. Those that speak of rules of
    asking.yml have these, too."""
    for name in ("rules.yml", "asking.yml"):
        (folder / name).write_bytes((SUITES / name).read_bytes())
    found = {}
    for number, one in enumerate(yaml.safe_load((SUITES / f"{kind}.yml").read_text())):
        path = folder / f"{kind}{number}.yml"
        asks = re.search("Down|Listed|Paged|ALERTS|job:alerts", yaml.safe_dump(one))
        rules = ["rules.yml", *(["asking.yml"] if asks else [])]
        whole = {"rule_files": rules, "tests": [{"interval": "1m", **one}]}
        path.write_text(yaml.safe_dump(whole))
        found[path] = one["name"]
    return found


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
