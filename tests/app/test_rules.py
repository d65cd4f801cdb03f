"""`tailrace rules check`: what it prints, and its exit status."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from tailrace.cli import main

GOOD = """\
groups:
  - name: shop
    rules:
      - alert: Down
        expr: up == 0
      - alert: Errors
        expr: rate({app="shop"} |= "error" [5m]) > 1
      - alert: Slow
        expr: SELECT max(Value) AS value FROM metrics
        since: 5m
      - record: job:up:sum
        expr: sum by (job) (up)
"""
WRONG = """\
groups:
  - name: shop
    rules:
      - alert: Down
        expr: up = 0
        fro: 5m
"""


@pytest.fixture
def good(tmp_path: Path) -> str:
    path = tmp_path / "good.yml"
    path.write_text(GOOD)
    return str(path)


@pytest.fixture
def wrong(tmp_path: Path) -> str:
    path = tmp_path / "wrong.yml"
    path.write_text(WRONG)
    return str(path)


def test_rules_are_counted_by_language(good: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "check", good]) == 0
    assert capsys.readouterr().out == "4 rules: 2 PromQL, 1 LogQL, 1 SQL\n"


def test_every_mistake_has_its_place(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "check", wrong]) == 1
    out, said = capsys.readouterr()
    assert out == ""
    assert said.splitlines() == [
        f"{wrong}:5:18: expr: unexpected '='",
        f"{wrong}:6:9: unknown field 'fro' of a rule; is it 'for'?",
    ]


def test_one_wrong_file_of_several_is_a_failure(good: str, wrong: str) -> None:
    assert main(["rules", "check", good, wrong]) == 1


def test_a_file_that_is_missing_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "none.yml"
    assert main(["rules", "check", str(path)]) == 1
    assert capsys.readouterr().err == f"tailrace: {path}: No such file or directory\n"


def test_standard_input_is_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(WRONG.encode())))
    assert main(["rules", "check", "-"]) == 1
    assert capsys.readouterr().err.startswith("standard input:5:18: ")


def test_what_is_printed_reads_as_the_same(
    good: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rules", "check", "--print", good]) == 0
    printed, said = capsys.readouterr()
    assert said == "4 rules: 2 PromQL, 1 LogQL, 1 SQL\n"
    again = tmp_path / "again.yml"
    again.write_text(printed)
    assert main(["rules", "check", "--print", str(again)]) == 0
    assert capsys.readouterr().out == printed


def test_namespaces_are_printed_with_their_groups(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "spaces.yml"
    path.write_text("namespace: a\ngroups: [{name: g}]\n---\nnamespace: b\ngroups: [{name: g}]\n")
    assert main(["rules", "check", "--print", str(path)]) == 0
    printed = capsys.readouterr().out
    path.write_text(printed)
    assert main(["rules", "check", "--print", str(path)]) == 0
    assert capsys.readouterr().out == printed
    assert printed.startswith("namespace: a\ngroups:\n- name: g\n")


@pytest.mark.parametrize(("language", "said"), [("promql", "1 PromQL"), ("logql", "1 LogQL")])
def test_what_is_in_two_languages_is_in_the_one_that_is_said(
    language: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "two.yml"
    path.write_text("groups: [{name: a, rules: [{alert: A, expr: \"rate({a='b'}[1m])\"}]}]")
    path.write_text(path.read_text().replace("'", "`"))
    assert main(["rules", "check", "--language", language, str(path)]) == 0
    assert capsys.readouterr().out == f"1 rule: {said}\n"


def test_a_file_is_needed() -> None:
    with pytest.raises(SystemExit) as ended:
        main(["rules", "check"])
    assert ended.value.code == 2
