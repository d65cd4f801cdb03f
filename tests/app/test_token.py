"""`tailrace token`: what is printed where, and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tailrace.cli import main
from tailrace.governance.database import NAME

CREATE = ("create", "--tenant", "shop", "--scope", "ingest", "--name", "web")
SECRET = re.compile(r"tr_([0-9a-f]{12})_[A-Za-z0-9_-]{43}\n")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TAILRACE_SERVER__DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


def say(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> tuple[str, str]:
    assert main(["token", *words]) == status
    said = capsys.readouterr()
    return said.out, said.err


def test_a_token_is_made_listed_and_revoked(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = say(capsys, *CREATE, "--scope", "query", "--expires", "90d")
    found = SECRET.fullmatch(out)
    assert found, "the secret is not alone on standard output"
    assert out.strip() not in err
    assert "tenant shop: ingest, query until 20" in err
    heading, row = say(capsys, "list")[0].splitlines()
    assert heading.split() == [
        "ID",
        "NAME",
        "TENANT",
        "SCOPES",
        "STATE",
        "CREATED",
        "EXPIRES",
        "USED",
    ]
    assert row.split()[:5] == [found[1], "web", "shop", "ingest,query", "active"]
    assert row.split()[-1] == "never"
    out, err = say(capsys, "revoke", found[1])
    assert (out, "is revoked" in err) == ("", True)
    assert "revoked" in say(capsys, "list")[0]


def test_json_has_the_secret_once(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = json.loads(say(capsys, *CREATE, "--json")[0])
    assert SECRET.fullmatch(made["secret"] + "\n")
    assert (made["tenant"], made["scopes"], made["expires_ns"]) == ("shop", ["ingest"], 0)
    (listed,) = json.loads(say(capsys, "list", "--json")[0])
    assert listed["state"] == "active"
    assert made["secret"][16:] not in json.dumps(listed)
    revoked = json.loads(say(capsys, "revoke", made["id"], "--json")[0])
    assert revoked["revoked_ns"] > 0


def test_the_store_is_made_for_its_owner_alone(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    say(capsys, *CREATE)
    assert data.stat().st_mode & 0o777 == 0o700
    assert (data / "control" / NAME).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("create", "--scope", "ingest"), "--name"),
        (("create", "--name", "web"), "--scope"),
        ((*CREATE, "--name", "a\x1b[2J"), "--name"),
        ((*CREATE, "--name", "x" * 101), "--name"),
        ((*CREATE, "--tenant", "../up"), "--tenant"),
        ((*CREATE, "--tenant", "a\nb"), "--tenant"),
        ((*CREATE, "--tenant", ""), "--tenant"),
        ((*CREATE, "--expires", "0s"), "--expires"),
        (("create", "an-id", *CREATE[1:]), "--name"),
        (("revoke",), "revoke ID"),
        (("list", "an-id"), "revoke ID"),
    ],
)
def test_a_wrong_command_line_is_one_line(
    data: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    out, err = say(capsys, *words, status=2)
    assert said in err
    assert (out, err.count("\n"), data.exists()) == ("", 1, False)


def test_an_unknown_id_is_one_line(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, err = say(capsys, "revoke", "a\x1b[2J", status=1)
    assert err == "tailrace: there is no token a\\x1b[2J; see tailrace token list\n"


def test_a_store_that_is_damaged_is_left_alone(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "control").mkdir(parents=True)
    (data / "control" / NAME).write_bytes(b"no database, but long enough to be looked at" * 99)
    _, err = say(capsys, *CREATE, status=1)
    assert "not a database" in err
    assert len(list((data / "control").iterdir())) == 1


def test_another_users_directory_is_not_written(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data.mkdir()
    monkeypatch.setattr("os.geteuid", lambda: 12_345)
    _, err = say(capsys, *CREATE, status=2)
    assert "run this as that one" in err
    assert not list(data.iterdir())


def test_a_database_needs_no_directory_and_its_password_has_to_be_there(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAILRACE_SERVER__CONTROL", "postgresql://tailrace@127.0.0.1:1/tailrace")
    out, err = say(capsys, *CREATE, status=1)
    assert err.startswith("tailrace: postgresql://tailrace@127.0.0.1:1/tailrace: ")
    assert (out, err.count("\n"), data.exists()) == ("", 1, False)
    monkeypatch.setenv("TAILRACE_SERVER__CONTROL_PASSWORD_FILE", str(data))
    out, err = say(capsys, *CREATE, status=2)
    assert err == f"tailrace: server.control_password_file: {data}: No such file or directory\n"
