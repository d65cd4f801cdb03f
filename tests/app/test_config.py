"""A wrong setting is refused at start, by its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from tailrace.app import config
from tailrace.core.errors import ConfigError


def load(tmp_path: Path, text: str, **environment: str) -> config.Config:
    path = tmp_path / "tailrace.toml"
    path.write_text(text)
    return config.load(path, environment)


def test_no_file_is_needed() -> None:
    assert config.load(None, {}).server.listen == "127.0.0.1:7480"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[server]\nlissten = 'x'", ["server", "lissten"]),
        ("[serverr]\n", ["serverr"]),
        ("[server]\nlisten = 7480", ["server.listen", "str"]),
        ("[server]\nlisten = 'nowhere'", ["server.listen", "HOST:PORT"]),
        ("[server]\nlisten = '0.0.0.0:7480'", ["server.listen", "server.token"]),
        ("[server]\ntoken = 'a'\ntoken_file = 'b'", ["server.token_file"]),
        ("[queue]\nmax_size = '8 gigs'", ["queue.max_size", "GiB"]),
        ("[archive]\nstep = '5MiB'", ["archive.step", "ms"]),
        ("[[agent.inputs]]\npaths = []", ["agent.inputs[0].paths"]),
        ("[[agent.inputs]]\npaths = ['/a']\njournal = true", ["agent.inputs[0]", "one of them"]),
        ("[[agent.inputs]]\npaths = ['/a']\nunits = ['x']", ["agent.inputs[0].units", "journal"]),
        ("[[agent.inputs]]\njournal = true\ncodec = 'records'", ["agent.inputs[0].codec"]),
        ("[[agent.inputs]]\njournal = 'yes'", ["agent.inputs[0].journal", "bool"]),
        (2 * "[[agent.inputs]]\njournal = true\n", ["agent.inputs[1].journal", "agent.inputs[0]"]),
        (
            "[[agent.inputs]]\npaths = ['/a']\n[[agent.inputs]]\npaths = ['/a']",
            ["agent.inputs[1].paths", "/a", "agent.inputs[0]"],
        ),
        ("[server\n", ["TOML"]),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    for word in words:
        assert word in str(caught.value)


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    found = load(
        tmp_path,
        "[server]\nlisten = '127.0.0.1:1'",
        TAILRACE_SERVER__LISTEN="127.0.0.1:2",
        TAILRACE_AGENT__GATEWAYS="['http://127.0.0.1:3']",
    )
    assert config.address(found) == ("127.0.0.1", 2)
    assert found.agent.gateways == ["http://127.0.0.1:3"]


def test_an_unknown_override_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="TAILRACE_SERVER__LISTEM"):
        load(tmp_path, "", TAILRACE_SERVER__LISTEM="x")


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    found = load(tmp_path, "[server]\ntoken = 'open sesame'")
    assert "sesame" not in str(config.shown(found))
