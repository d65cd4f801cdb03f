"""`[guard]`: how long keys live and where the master key is, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tailrace.app import config as configuration
from tailrace.app.keys import KeySettings, check, master_source
from tailrace.core.errors import ConfigError
from tailrace.governance.mastersource import MasterCommand, MasterEnvironment, MasterFile

KEY = "0f" * 32


def refused(**settings: Any) -> str:
    environment = {f"TAILRACE_GUARD__{name.upper()}": value for name, value in settings.items()}
    with pytest.raises(ConfigError) as caught:
        configuration.load(None, environment)
    assert KEY not in str(caught.value)
    return str(caught.value)


def test_no_settings_are_right_and_the_usual_ones() -> None:
    settings = configuration.load(None, {}).guard
    check(settings)
    assert (settings.key_rotation, settings.key_retention) == (90 * 86_400, 365 * 86_400)


def test_the_environment_sets_them() -> None:
    environment = {
        "TAILRACE_GUARD__KEY_ROTATION": "30d",
        "TAILRACE_GUARD__MASTER_KEY_COMMAND": '["vault", "read"]',
    }
    settings = configuration.load(None, environment).guard
    assert settings.key_rotation == 30 * 86_400
    assert settings.master_key_command == ["vault", "read"]


@pytest.mark.parametrize("key", ["key_rotation", "key_retention"])
def test_a_time_that_is_too_short_is_refused(key: str) -> None:
    assert refused(**{key: "59s"}) == f'guard.{key}: from "1m" up, such as "90d"'
    assert refused(**{key: "0s"}).startswith(f"guard.{key}:")


def test_one_place_is_enough() -> None:
    said = refused(master_key_file="a", master_key_env="B")
    assert said == "guard.master_key_file, guard.master_key_env: set one"


def test_a_key_in_the_place_of_its_name_is_refused_and_not_repeated() -> None:
    assert refused(master_key_file=KEY).startswith("guard.master_key_file: settings are shown")
    assert refused(master_key_env=KEY).startswith("guard.master_key_env: settings are shown")
    said = refused(master_key_command=f'["echo", "{KEY}"]')
    assert said.startswith("guard.master_key_command: settings are shown")
    # Nearly a key is no name either.
    assert "name a variable" in refused(master_key_env="F" * 62)
    assert "name a variable" in refused(master_key_env="A-B")


def test_the_source_is_what_is_set(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for settings, kind in (
        (KeySettings(master_key_file=str(tmp_path / "key")), MasterFile),
        (KeySettings(master_key_env="KEY"), MasterEnvironment),
        (KeySettings(master_key_command=["vault"]), MasterCommand),
    ):
        for shared in (False, True):
            source = master_source(settings, data, shared, {})
            assert type(source) is kind


def test_a_master_key_is_made_only_for_a_store_that_nobody_shares(tmp_path: Path) -> None:
    data, environment = tmp_path / "data", {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    master_source(KeySettings(), data, False, environment).first()
    assert (tmp_path / "config" / "tailrace" / "master.key").exists()
    with pytest.raises(
        ConfigError, match=r"guard\.master_key_file: everyone who uses the database"
    ):
        master_source(KeySettings(), data, True, environment)


def test_a_master_key_among_the_data_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (tmp_path / "link").symlink_to(data)
    for path in (data / "key", tmp_path / "link" / "key", data / ".." / "data" / "key"):
        with pytest.raises(ConfigError, match=r"is under server\.data_dir"):
            master_source(KeySettings(master_key_file=str(path)), data, False, {})
    with pytest.raises(ConfigError, match=r"is under server\.data_dir"):
        master_source(KeySettings(), data, False, {"XDG_CONFIG_HOME": str(data)})


def test_an_agent_reads_its_configuration_without_the_servers_libraries() -> None:
    code = (
        "import sys, tailrace.app.config\n"
        "assert not {'cryptography', 'sqlalchemy'} & set(sys.modules), 'loaded'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
