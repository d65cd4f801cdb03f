"""The review reports what would be logged, and nothing else."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tailrace.core import limits
from tailrace.guard.review.files import files
from tailrace.guard.review.names import rule_of
from tailrace.guard.review.review import review, review_text
from tailrace.guard.review.rules import RULES

COMMAND = Path(sys.executable).with_name("tailrace")
KEY = "AK" + "IA" + "Z7Q2M4K8P6R3T5V9"
REPORTED = [
    ('log.info("signed in with %s", password)', "TR002"),
    ('logger.debug(f"token {api_token}")', "TR001"),
    ('logging.getLogger(__name__).warning("card " + card_number)', "TR003"),
    ('log.info("card {}".format(order.card_number))', "TR003"),
    ('log.error("%s", {"password": value})', "TR002"),
    ('log.info("paid", extra={"cvv": code})', "TR003"),
    ('log.info("paid", cvv=code)', "TR003"),
    ('log.bind(ssn=number).info("x")', "TR004"),
    ("print(user.password)", "TR002"),
    ('print(f"{request.headers=}")', "TR005"),
    ('log.info("got %r", request)', "TR005"),
    ("log.info(vars(user))", "TR005"),
    ("log.info(user.__dict__)", "TR005"),
    ("log.info(json.dumps(payload))", "TR006"),
    ('log.info("b %s", body)', "TR006"),
    ('log.info("in %s", stream.read())', "TR006"),
    ('log.info("in %s", locals())', "TR005"),
    ('sys.stderr.write("pin %s" % pin)', "TR003"),
    ('log.info("key %s", os.environ["API_KEY"])', "TR001"),
    ('log.info("key %s", config.get("secret_key"))', "TR001"),
    ('log.info("key %s", get_password())', "TR002"),
    ('self.log.info("t %s", token[:8])', "TR001"),
    ('log.info("user %s", password if x else "-")', "TR002"),
    ('msg = f"pw {password}"\n    log.info(msg)', "TR002"),
    (f'log.info("key {KEY}")', "TR007"),
    ('log.info("card 4111 1111 1111 1111")', "TR007"),
    ('log.log(10, "pw %s", password)', "TR002"),
    ('logger.opt(lazy=True).info("{}", jwt)', "TR001"),
]
LEFT = [
    'log.info("token count %d", token_count)',
    'log.info("password for %s was reset", user_id)',
    'log.info("card %s", mask(card_number))',
    'log.info("length %d", len(password))',
    'log.info("has token %s", bool(token))',
    'log.info("%s", hash_of(password))',
    'log.info("is secret: %s", is_secret)',
    'log.error("failed: %s", error)',
    'log.info("%s", request.path)',
    'log.info("%s", user.id)',
    'log.info("%s", body[:200])',
    'log.info("%s", card_number[-4:])',
    'log.info("type %s", card_type)',
    'log.info("took %s", elapsed)',
    "store(password)",
    'safe = mask(card)\n    log.info("%s", safe)',
    'password = "-"\n    log.info("%s", password)',
    'log.info("saved", extra={"token_id": token.id})',
    'log.exception("password was wrong")',
    "math.log(secret)",
]


def module(body: str) -> str:
    return f"def function(log, **_):\n    {body}\n"


def rules(text: str) -> list[str]:
    return [remark.rule for remark in review_text(text, "m.py") if not remark.allowed]


@pytest.mark.parametrize(("body", "rule"), REPORTED)
def test_what_would_be_logged_is_reported_by_its_rule(body: str, rule: str) -> None:
    assert rules(module(body)) == [rule]


@pytest.mark.parametrize("body", LEFT)
def test_what_logs_nothing_of_a_value_is_left(body: str) -> None:
    assert rules(module(body)) == []


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("userPassword", "TR002"),
        ("API_KEY", "TR001"),
        ("cardNumber", "TR003"),
        ("passwordless", ""),
        ("password_changed_at", ""),
        ("pancake", ""),
        ("tokenizer", ""),
        ("has_password", ""),
        ("dateOfBirth", "TR004"),
    ],
)
def test_a_name_says_what_it_holds(name: str, rule: str) -> None:
    assert rule_of(name) == rule


def test_an_allowance_with_a_reason_allows() -> None:
    body = 'log.info("%s", token)  # tailrace: allow[TR001] it is a test token'
    (remark,) = review_text(module(body), "m.py")
    assert remark.allowed == "it is a test token"
    above = '# tailrace: allow[TR001] shown once\n    log.info(\n        "%s", token\n    )'
    assert rules(module(above)) == []


def test_an_allowance_without_a_reason_allows_nothing() -> None:
    assert rules(module('log.info("%s", token)  # tailrace: allow[TR001]')) == ["TR000", "TR001"]


def test_an_allowance_that_is_not_needed_is_reported() -> None:
    assert rules(module('log.info("x")  # tailrace: allow[TR001] no more')) == ["TR008"]


@pytest.mark.parametrize(
    "content", [b"def (:\n", b"\xff\xfe\x00x", b"x = '\x00'\n", b"# coding: nothing\n"]
)
def test_a_file_that_cannot_be_read_is_reported(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.py"
    path.write_bytes(content)
    (remark,) = review(path, "m.py")
    assert remark.rule == "TR009"


def test_a_file_that_is_too_large_is_reported_unread(tmp_path: Path) -> None:
    path = tmp_path / "m.py"
    path.write_text("#" * limits.REVIEW_BYTES)
    assert list(review(path, "m.py")) == []
    path.write_text("#" * (limits.REVIEW_BYTES + 1))
    (remark,) = review(path, "m.py")
    assert (remark.rule, str(limits.REVIEW_BYTES) in remark.message) == ("TR009", True)


def test_deep_nesting_is_no_crash(tmp_path: Path) -> None:
    path = tmp_path / "m.py"
    path.write_text("log.info(" + "(" * 5_000 + ")" * 5_000 + ")\n")
    assert {remark.rule for remark in review(path, "m.py")} <= {"TR009"}
    path.write_text("log.info(" + " + ".join(["x"] * 3_000) + ")\n")
    assert {remark.rule for remark in review(path, "m.py")} <= {"TR009"}


def test_files_are_python_and_none_of_others_packages(tmp_path: Path) -> None:
    for name in ("a.py", "b.txt", ".venv/c.py", "node_modules/d.py", "x/e.py", "x/skip_f.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "x" / "loop").symlink_to(tmp_path)
    found = [str(path.relative_to(tmp_path)) for path in files([tmp_path], ["skip_*"])]
    assert found == ["a.py", "x/e.py"]


def run(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([COMMAND, "review", *words], cwd=cwd, capture_output=True, text=True)


def test_the_command_says_where_and_fails_a_build(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text(module('log.info("%s", password)'))
    done = run(".", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.startswith("m.py:2:20: TR002 A password is logged: would log password\n")
    assert run(".", "--ignore", "TR002", cwd=tmp_path).returncode == 0
    assert run(".", "--select", "TR001", cwd=tmp_path).returncode == 0
    assert run("nothing", cwd=tmp_path).returncode == 2
    assert run(".", "--select", "TR1", cwd=tmp_path).returncode == 2


def test_the_command_writes_sarif(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text(
        module('log.info("%s", password)')
        + module('log.info("%s", token)  # tailrace: allow[TR001] a test')
    )
    assert run(".", "--format", "sarif", "--output", "o.sarif", cwd=tmp_path).returncode == 1
    (found,) = json.loads((tmp_path / "o.sarif").read_text())["runs"]
    first, second = found["results"]
    assert first["ruleId"] == "TR002"
    place = first["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "m.py"
    assert place["region"]["startLine"] == 2
    assert second["suppressions"][0]["justification"] == "a test"
    assert {rule["id"] for rule in found["tool"]["driver"]["rules"]} == set(RULES)


def test_every_rule_is_described_and_no_other() -> None:
    page = (Path(__file__).parents[3] / "docs" / "review.md").read_text()
    rows = dict(re.findall(r"^\| `(TR\d+)` \|.*\| (\w+) \|$", page, re.MULTILINE))
    assert rows == {name: rule.level for name, rule in RULES.items()}


def test_the_hook_of_pre_commit_calls_the_command() -> None:
    hook = (Path(__file__).parents[3] / ".pre-commit-hooks.yaml").read_text()
    assert "entry: tailrace review\n" in hook


def test_our_own_source_passes() -> None:
    root = Path(__file__).parents[3]
    assert run("src", cwd=root).returncode == 0
