"""docs/assurance.md is what its generator makes, and names only tests that there are."""

from __future__ import annotations

import ast
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from assurance import page, record
from assurance.register import LIMITS, ROOT, limits, promises, shown_by


@cache
def names_in(path: str) -> set[str]:
    """Names of the tests of a file: functions, and classes of state machines."""
    tree = ast.parse((ROOT / path).read_text())
    names = {getattr(node, "name", "") for node in tree.body}
    names |= {one.id for node in tree.body if isinstance(node, ast.Assign) for one in node.targets
              if isinstance(one, ast.Name)}  # fmt: skip
    return {name for name in names if name.startswith(("test_", "Test"))}


def test_every_test_that_is_named_is_there() -> None:
    missing = []
    for name in sorted(shown_by()):
        path, _, test = name.partition("::")
        if not (ROOT / path).exists() or test not in names_in(path):
            missing.append(name)
    assert not missing


def test_every_promise_and_limit_is_shown_by_something() -> None:
    assert not [one for one in (*promises(), *limits()) if not one.shown_by]


def test_every_limit_has_a_reason_and_one_value() -> None:
    trees = [ast.parse(file.read_text()) for file in LIMITS.glob("*.py")]
    names = [node.targets[0].id for tree in trees for node in tree.body
             if isinstance(node, ast.Assign) if isinstance(node.targets[0], ast.Name)]  # fmt: skip
    assert len(set(names)) == len(names)
    assert {one.name for one in limits()} == set(names) - {"KIB", "MIB", "GIB"}


def test_the_page_is_made_from_the_records() -> None:
    assert page.assurance(record.load()) == page.PAGE.read_text(), "run `make assurance`"


def test_the_tables_of_the_benchmarks_are_made_from_the_records() -> None:
    text = page.BENCHMARKS.read_text()
    assert page.benchmarks(text, record.load()) == text, "run `make assurance`"


def test_the_figures_of_the_readme_are_made_from_the_records() -> None:
    text = page.README.read_text()
    assert page.readme(text, record.load()) == text, "run `make assurance`"


def test_every_figure_of_the_readme_was_measured() -> None:
    bench = record.load()["bench"]
    measured = {(part, one["name"]) for part in bench for one in bench[part]["figures"]}
    assert not bench or {(part, name) for _, part, name in page.HEADLINES} <= measured


def test_all_figures_are_of_one_machine_and_one_day() -> None:
    said = record.load()
    assert len(page.machines(said)) <= 1
    assert page.span(said) < timedelta(days=1)


JUNIT = """<testsuites><testsuite timestamp="2026-01-02T03:04:05">
<testcase classname="tests.a.test_b" name="test_c[1]" time="0.5"/>
<testcase classname="tests.a.test_b" name="test_c[2]" time="0.25"><failure/></testcase>
<testcase classname="tests.a.test_b.TestM" name="runTest" time="1"/>
<testcase classname="tests.a.test_b" name="test_other" time="1"/>
</testsuite></testsuites>"""


def test_of_a_run_the_named_tests_are_kept_with_all_their_cases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = {"tests/a/test_b.py::test_c", "tests/a/test_b.py::TestM", "tests/a/test_b.py::test_d"}
    monkeypatch.setattr(record, "shown_by", lambda: named)
    path = tmp_path / "run.xml"
    path.write_text(JUNIT)
    said: dict[str, Any] = {"tests": {}, "bench": {}}
    assert record.add_tests(said, path) == 2
    ran = {name: one["test"] for name, one in said["tests"].items()}
    assert {one["when"] for one in ran.values()} == {"2026-01-02"}
    found = {name: (one["outcome"], one["cases"]) for name, one in ran.items()}
    assert found == {
        "tests/a/test_b.py::test_c": ("failed", 2),
        "tests/a/test_b.py::TestM": ("passed", 1),
    }
