"""Rule files on disk: what is read, when, and what becomes of one that is wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tailrace.alerts.rules import files
from tailrace.alerts.rules.files import RuleFiles
from tailrace.core.metrics import Metrics


def text(name: str, *alerts: str) -> str:
    rules = "".join(f"\n    - {{alert: {alert}, expr: up == 0}}" for alert in alerts)
    return f"groups:\n  - name: {name}\n    rules:{rules}\n"


def replaced(path: Path, written: str) -> None:
    """As an editor writes it: a new file in the place of the old."""
    path.with_suffix(".new").write_text(written)
    path.with_suffix(".new").rename(path)


def reading(*patterns: Path, tenant: str = "acme") -> RuleFiles:
    return RuleFiles({tenant: [str(pattern) for pattern in patterns]}, Metrics())


def names(loaded: RuleFiles) -> list[str]:
    return [group.name for group in loaded.load()]


def settled(loaded: RuleFiles) -> bool:
    """Whether it has changed, and is whole."""
    loaded.changed()
    return loaded.changed()


def test_files_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        (tmp_path / f"{name}.yml").write_text(text(name))
    (tmp_path / "d.txt").write_text("no rules")
    assert names(reading(tmp_path / "*.yml")) == ["a", "b", "c"]


def test_a_group_is_of_its_tenant_and_file(tmp_path: Path) -> None:
    path = tmp_path / "a.yml"
    path.write_text(text("shop"))
    (group,) = reading(path).load()
    assert group.key == ("acme", str(path), "shop")
    assert group.origin == "file"


def test_tenants_have_files_of_their_own(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.yml").write_text(text("shop"))
    patterns = {"one": [str(tmp_path / "a.yml")], "two": [str(tmp_path / "*.yml")]}
    found = RuleFiles(patterns, Metrics()).load()
    assert [(group.tenant, Path(group.folder).name) for group in found] == [
        ("one", "a.yml"),
        ("two", "a.yml"),
        ("two", "b.yml"),
    ]


def test_hidden_files_are_left_out(tmp_path: Path) -> None:
    (tmp_path / ".a.yml").write_text("no rules")
    assert names(reading(tmp_path / "*.yml")) == []


def test_a_file_that_two_patterns_name_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "a.yml"
    path.write_text(text("shop"))
    assert names(reading(path, tmp_path / "*.yml")) == ["shop"]


def test_nothing_has_changed_after_loading(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(text("shop"))
    loaded = reading(tmp_path / "*.yml")
    loaded.load()
    assert not settled(loaded)


def test_a_file_that_was_replaced_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "a.yml"
    path.write_text(text("one"))
    loaded = reading(path)
    loaded.load()
    replaced(path, text("two"))
    assert settled(loaded)
    assert names(loaded) == ["two"]


def test_a_file_that_is_being_written_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.yml"
    path.write_text(text("one"))
    loaded = reading(path)
    loaded.load()
    replaced(path, text("two"))
    assert not loaded.changed()
    replaced(path, text("three"))
    assert not loaded.changed()
    assert loaded.changed()


def test_files_that_come_and_go_are_a_change(tmp_path: Path) -> None:
    loaded = reading(tmp_path / "*.yml")
    loaded.load()
    path = tmp_path / "a.yml"
    path.write_text(text("one"))
    assert settled(loaded)
    assert names(loaded) == ["one"]
    path.unlink()
    assert settled(loaded)
    assert names(loaded) == []


def test_a_file_that_has_not_changed_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.yml").write_text(text("one"))
    loaded = reading(tmp_path / "*.yml")
    (before,) = loaded.load()
    monkeypatch.setattr(files, "_contents", None)
    (after,) = loaded.load()
    assert after is before


def test_a_wrong_file_keeps_its_last_right_version(tmp_path: Path) -> None:
    wrong, right = tmp_path / "a.yml", tmp_path / "b.yml"
    wrong.write_text(text("one", "Down"))
    right.write_text(text("two"))
    loaded = reading(tmp_path / "*.yml")
    loaded.load()
    replaced(wrong, "groups: [{name: one, rulse: []}]")
    replaced(right, text("three"))
    assert names(loaded) == ["one", "three"]
    assert loaded.files[0].errors == ("1:22: unknown field 'rulse' of a group; is it 'rules'?",)
    assert loaded.files[1].errors == ()


def test_a_wrong_file_is_no_change_until_it_is_written_again(tmp_path: Path) -> None:
    path = tmp_path / "a.yml"
    path.write_text("groups: 1")
    loaded = reading(path)
    loaded.load()
    assert not settled(loaded)
    replaced(path, text("one"))
    assert settled(loaded)
    assert names(loaded) == ["one"]
    assert loaded.files[0].errors == ()


def test_a_wrong_file_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.yml").write_text("groups: 1")
    loaded = reading(tmp_path / "*.yml")
    loaded.load()
    loaded.load()
    assert [record.message for record in caplog.records] == ["a rule file is wrong"]


def test_right_and_wrong_files_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text("groups: 1")
    (tmp_path / "b.yml").write_text(text("one"))
    (tmp_path / "c.yml").write_text(text("two"))
    metrics = Metrics()
    RuleFiles({"acme": [str(tmp_path / "*.yml")]}, metrics).load()
    assert metrics.labelled("tailrace_rule_files") == {"right": 2, "wrong": 1}


def test_a_file_that_is_named_and_missing_is_wrong(tmp_path: Path) -> None:
    loaded = reading(tmp_path / "none.yml")
    assert loaded.load() == ()
    assert loaded.files[0].errors == ("No such file or directory",)


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_is_wrong_and_nobody_waits_for_it(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a.yml"
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    loaded = reading(path)
    assert loaded.load() == ()
    assert loaded.files[0].errors == ("it is no file",)


def test_a_file_of_any_size_is_read_up_to_its_bound(tmp_path: Path) -> None:
    path = tmp_path / "a.yml"
    with path.open("wb") as file:
        file.truncate(2**40)
    loaded = reading(path)
    loaded.load()
    assert "RULE_FILE_BYTES" in loaded.files[0].errors[0]


def test_a_group_of_a_namespace_that_two_files_have_is_of_the_first(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.yml").write_text(f"namespace: shop\n{text('one', name)}")
    loaded = reading(tmp_path / "*.yml")
    (group,) = loaded.load()
    assert group.rules[0].alert == "a"
    said = f"the group 'one' of the namespace 'shop' is in {tmp_path / 'a.yml'}"
    assert loaded.files[1].errors == (said,)


def test_files_beyond_the_bound_have_no_rules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "RULE_FILES", 2)
    for name in ("a", "b", "c", "d"):
        (tmp_path / f"{name}.yml").write_text(text(name))
    loaded = reading(tmp_path / "*.yml")
    assert names(loaded) == ["a", "b"]
    assert [bool(one.errors) for one in loaded.files] == [False, False, True]


def test_rules_beyond_the_bound_of_a_tenant_are_left_out_with_their_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "RULES_PER_TENANT", 3)
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.yml").write_text(text(name, "X", "Y"))
    (tmp_path / "c.yml").write_text(text("c", "X"))
    loaded = reading(tmp_path / "*.yml")
    assert names(loaded) == ["a", "c"]
    assert "RULES_PER_TENANT" in loaded.files[1].errors[0]


def test_templates_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "a.yml"
    path.write_text(text("a", "X").replace("up == 0}", "up == 0, labels: {a: '{{'}}"))
    loaded = RuleFiles({"acme": [str(path)]}, Metrics(), lambda given: f"{given} is odd")
    loaded.load()
    assert loaded.files[0].errors == ("4:45: the template of a: {{ is odd",)
