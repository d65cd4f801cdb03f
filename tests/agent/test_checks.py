from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tailrace.agent import checks
from tailrace.agent.checkpoints import State
from tailrace.agent.feeds.feeders import feeders
from tailrace.agent.inputs import (
    AnyInput,
    CommandInput,
    HostInput,
    PrometheusInput,
    RedisInput,
    RestInput,
)
from tailrace.agent.settings import AgentSettings
from tailrace.app import config
from tailrace.core.errors import ConfigError
from tailrace.core.units import Seconds

URL = "http://127.0.0.1:1/a"


def prometheus(*targets: str, **changes: Any) -> PrometheusInput:
    return PrometheusInput(targets=list(targets) or [URL], **changes)


def rest(url: str = URL, **changes: Any) -> RestInput:
    return RestInput(url=url, **changes)


WRONG = [
    (PrometheusInput(), ".targets: name"),
    (prometheus("localhost:9090"), ".targets[0]: is not"),
    (prometheus("ftp://example.com"), ".targets[0]: is not"),
    (prometheus("http://"), ".targets[0]: is not"),
    (prometheus("http://a:99999"), ".targets[0]: is not"),
    (prometheus("http://a/ b"), ".targets[0]: is not"),
    (prometheus("http://user:secret@a/"), ".targets[0]: holds a user"),
    (prometheus(URL, URL), ".targets[1]: is there twice"),
    (prometheus(*[f"{URL}{n}" for n in range(101)]), ".targets: at most"),
    (prometheus(headers={"a b": "c"}), ".headers: 'a b'"),
    (prometheus(headers={"a": "secret\r\nb: d"}), ".headers.a: holds"),
    (prometheus(headers={"authorization": "x"}, token_file="y"), ".token_file: "),
    (prometheus(interval=Seconds("10ms")), ".interval: must be"),
    (prometheus(timeout=Seconds("0s")), ".timeout: must be"),
    (rest(""), ".url: is not"),
    (rest(items="$.a["), ".items: expected .name, ['name'], [0] or [*], at character 4"),
    (rest(items=""), ".items: name"),
    (rest(metrics={"a": "b"}), ".metrics.a: a path begins with $, at character 1"),
    (rest(metrics={"": "$"}), ".metrics: a name"),
    (HostInput(processes=-1), ".processes: must be"),
    (HostInput(processes=101), ".processes: must be"),
    (HostInput(interval=Seconds("2d")), ".interval: must be"),
    (RedisInput(address="localhost"), ".address: 'localhost' is not HOST:PORT"),
    (RedisInput(address="a:0"), ".address: "),
    (RedisInput(username="x"), ".password_file: "),
    (CommandInput(), ".command: name a command"),
]


@pytest.mark.parametrize(("entry", "message"), WRONG)
def test_what_is_wrong_is_named(entry: AnyInput, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        checks.check([HostInput(), entry])
    assert str(caught.value).startswith(f"agent.inputs[1]{message}")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("entry", [prometheus(), rest(), HostInput(), RedisInput()])
def test_what_is_right_passes(entry: AnyInput) -> None:
    checks.check([entry])


def test_a_slow_log_belongs_to_one_input() -> None:
    with pytest.raises(ConfigError, match=r"agent.inputs\[1\]: agent.inputs\[0\] reads"):
        checks.check([RedisInput(), RedisInput()])


@pytest.mark.parametrize("content", [None, b"", b"two\nlines", b"\xff"])
def test_a_file_of_a_secret_is_read_at_the_start(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    source = prometheus(token_file=str(tmp_path / "token"))
    with pytest.raises(ConfigError, match=r"^agent.inputs\[0\].token_file: "):
        feeders(AgentSettings([source], "unused", []), State("agent", 1), lambda: None)


TOML = """
[[agent.inputs]]
type = "rest"
url = "http://127.0.0.1:1/a?key=example-secret"
headers = { "X-Key" = "example-secret" }
items = "$.a[*]"

[[agent.inputs]]
type = "prometheus"
targets = ["http://127.0.0.1:1/a?key=example-secret"]
"""


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "tailrace.toml"
    path.write_text(TOML)
    shown = config.shown(config.load(path, {}))
    first, second = shown["agent"]["inputs"]
    assert first["headers"] == {"X-Key": "(hidden)"}
    assert first["url"] == "http://127.0.0.1:1/a?(hidden)"
    assert second["targets"] == ["http://127.0.0.1:1/a?(hidden)"]
    assert "example-secret" not in str(shown)


def test_the_configuration_is_checked_for_them(tmp_path: Path) -> None:
    path = tmp_path / "tailrace.toml"
    path.write_text(TOML.replace("$.a[*]", "$.a[x]"))
    with pytest.raises(ConfigError, match=r"agent.inputs\[0\].items: .* at character 4"):
        config.load(path, {})
