"""`tailrace config check` refuses what a start refuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tailrace import cli
from tailrace.app import config
from tailrace.app.checking import check
from tailrace.core.errors import ConfigError

INPUT = "[[agent.inputs]]\n"
SHIPS = '[agent]\ngateways = ["https://127.0.0.1:1"]\n'
RELAYS = '[gateway]\nupstream = ["https://127.0.0.1:1"]\n'
REFUSED = [
    ('[server]\ntoken_file = "nope"', "server.token_file: nope: No such file"),
    ('[server]\ntoken_file = "lines"', "server.token_file: lines: a token is printable ASCII"),
    ('[server]\ntoken = "caf\u00e9"', "server.token: a token is printable ASCII"),
    ('[server]\ntls_cert = "nope"', "server.tls_cert, server.tls_key: nope: No such file"),
    ('[server]\ntls_cert = "lines"', "server.tls_cert, server.tls_key: lines: "),
    (
        '[server]\ncontrol = "postgresql://u@127.0.0.1:1/x"\ncontrol_password_file = "nope"',
        "server.control_password_file: nope: No such file",
    ),
    (
        '[server]\ncontrol = "postgresql://u@127.0.0.1:1/x"',
        "guard.master_key_file: everyone who uses the database",
    ),
    (
        '[[server.doors]]\ntype = "forward"\nlisten = "127.0.0.1:0"\nshared_key_file = "nope"',
        "server.doors[0].shared_key_file: nope: No such file",
    ),
    (
        '[[guard.rules]]\ndetector = "nope"\naction = "redact"',
        "guard.rules[0].detector: 'nope' is none; there are: api_key, ",
    ),
    ('[guard]\nenable = ["nope"]', "guard.enable: 'nope' is none of api_key, "),
    (
        '[[guard.thresholds]]\ndetector = "nope"\nper_hour = 1',
        "guard.thresholds[0].detector: 'nope' is none; there are: api_key, ",
    ),
    (
        '[[guard.detectors]]\nname = "a"\npattern = "("\nmatches = ["a"]\ntraps = ["b"]',
        "guard.detectors[0].pattern: '(' is no regular expression",
    ),
    ('[guard]\nmaster_key_file = "nope"', "guard.master_key_file: nope: No such file"),
    ('[guard]\nmaster_key_env = "NOPE"', "guard.master_key_env: the environment has no variable"),
    ('[guard]\nmaster_key_command = ["nope"]', "guard.master_key_command: nope is no command"),
    (f'{SHIPS}token_file = "nope"', "agent.token_file: nope: No such file"),
    (f'{SHIPS}tls_ca = "nope"', "agent.tls_ca: nope: No such file"),
    (f'{SHIPS}tls_cert = "lines"', "agent.tls_cert, tls_key: lines: "),
    ('[agent]\ndirectory = "lines/below"', "agent.directory: lines/below cannot be written"),
    (
        f'{INPUT}type = "command"\ncommand = ["nope"]',
        "agent.inputs[0].command: 'nope' is no command that can be run",
    ),
    (
        f'{INPUT}type = "rest"\nurl = "http://127.0.0.1/"\nitems = "$.a"\ntoken_file = "nope"',
        "agent.inputs[0].token_file: nope: No such file",
    ),
    (f'{INPUT}type = "stdin"\n{INPUT}type = "stdin"', "agent.inputs: only one input may be"),
    (f'{RELAYS}token_file = "nope"', "gateway.token_file: nope: No such file"),
    (f'{RELAYS}tls_ca = "nope"', "gateway.tls_ca: nope: No such file"),
]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "lines").write_text("two\nlines\n")
    return tmp_path


def load(text: str) -> config.Config:
    Path("tailrace.toml").write_text(text)
    return config.load(Path("tailrace.toml"), {})


@pytest.mark.parametrize(("text", "said"), REFUSED, ids=lambda text: text[:40])
def test_what_cannot_be_started_with_is_refused_by_its_setting(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        check(load(text))
    assert str(refused.value).startswith(said)


def test_the_command_ends_with_status_2_and_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    load('[server]\ntoken_file = "nope"')
    assert cli.main(["config", "check", "--config", "tailrace.toml"]) == 2
    said = capsys.readouterr()
    assert said.err == "tailrace: server.token_file: nope: No such file or directory\n"
    assert said.out == ""


def test_a_check_makes_nothing(home: Path) -> None:
    check(load('[server]\ndata_dir = "data"\n[agent]\ndirectory = "agent"'))
    assert {path.name for path in home.iterdir()} == {"lines", "tailrace.toml"}


def test_a_server_refuses_what_its_agent_cannot_use_before_it_starts(home: Path) -> None:
    load(f'[server]\nlisten = "127.0.0.1:0"\n{INPUT}type = "command"\ncommand = ["nope"]')
    command = [Path(sys.executable).with_name("tailrace"), "up", "--config", "tailrace.toml"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert (
        done.stderr == "tailrace: agent.inputs[0].command: 'nope' is no command that can be run\n"
    )
    assert not (home / "tailrace-data" / "store").exists()
