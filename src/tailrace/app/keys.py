"""`[guard]`, the keys of pseudonyms: how long they live, and where the master key is."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from tailrace.core.errors import ConfigError
from tailrace.core.units import Seconds
from tailrace.governance import masterkey
from tailrace.governance.masterkey import MasterSource
from tailrace.governance.mastersource import (
    MasterCommand,
    MasterEnvironment,
    MasterFile,
    OwnMasterFile,
    default_path,
)
from tailrace.guard.settings import Settings

_FILE = "guard.master_key_file"
_ENVIRONMENT = "guard.master_key_env"
_COMMAND = "guard.master_key_command"
_LEAST_S = 60.0
# Shorter than a key, so that none is taken for a name.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")


class KeySettings(Settings, frozen=True, forbid_unknown_fields=True):
    """Beside what the guard itself is told. `key_rotation`: how long a key makes pseudonyms;
    `key_retention`: how long after that it is kept to find them. At most one of `master_key_*` is
    set; none is a file that is made."""

    key_rotation: Seconds = Seconds("90d")
    key_retention: Seconds = Seconds("365d")
    master_key_file: str = ""
    master_key_env: str = ""
    master_key_command: list[str] = []  # noqa: RUF012 - msgspec copies an empty one


def check(settings: KeySettings) -> None:
    """Raises ConfigError that names the key, and holds nothing of a value."""
    for key in ("key_rotation", "key_retention"):
        if getattr(settings, key) < _LEAST_S:
            raise ConfigError(f'guard.{key}: from "1m" up, such as "90d"')
    given: dict[str, str | list[str]] = {
        _FILE: settings.master_key_file,
        _ENVIRONMENT: settings.master_key_env,
        _COMMAND: settings.master_key_command,
    }
    if sum(map(bool, given.values())) > 1:
        raise ConfigError(f"{', '.join(key for key, value in given.items() if value)}: set one")
    for key, value in given.items():
        words = value if isinstance(value, list) else [value]
        if any(masterkey.is_key(word) for word in words):
            raise ConfigError(f"{key}: settings are shown: say where the key is, not the key")
    if settings.master_key_env and not _NAME.fullmatch(settings.master_key_env):
        raise ConfigError(f"{_ENVIRONMENT}: name a variable of the environment, up to 40 letters")


def master_source(
    settings: KeySettings, data: Path, shared: bool, environment: Mapping[str, str] = os.environ
) -> MasterSource:
    """Where the master key is. `data` is the directory of the data; `shared`: the control store is
    a database. Raises ConfigError."""
    if settings.master_key_env:
        return MasterEnvironment(settings.master_key_env, _ENVIRONMENT, environment)
    if settings.master_key_command:
        return MasterCommand(settings.master_key_command, _COMMAND)
    if settings.master_key_file:
        return MasterFile(_apart(Path(settings.master_key_file), data), _FILE)
    if shared:
        raise ConfigError(
            f"{_FILE}: everyone who uses the database server.control needs the same master key, so "
            f"none is made: set this, {_ENVIRONMENT} or {_COMMAND}, see docs/keys.md"
        )
    return OwnMasterFile(_apart(default_path(environment, _FILE), data), _FILE)


def _apart(path: Path, data: Path) -> Path:
    if path.resolve().is_relative_to(data.resolve()):
        raise ConfigError(
            f"{_FILE}: {path} is under server.data_dir, where the keys are that it opens; set it "
            "to a file elsewhere"
        )
    return path
