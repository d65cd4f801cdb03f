"""Where the master key may be: in a file, in the environment, in what a command prints.

A file is for its owner alone and never under the directory of the data: who copies the data must
not copy what opens it. The default one is made at the first start, beside the user's settings.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from tailrace.core import limits, log
from tailrace.core.disk import sync_directory
from tailrace.core.errors import ConfigError
from tailrace.core.visible import visible
from tailrace.governance import mastercommand, masterkey
from tailrace.governance.masterkey import MasterKey, MasterSource

_log = log.get("governance")
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class MasterFile(MasterSource):
    """A file that a person has put there."""

    def __init__(self, path: Path, setting: str) -> None:
        self._path = path
        self.setting = setting

    def load(self) -> MasterKey:
        """See MasterSource."""
        try:
            return masterkey.parse(_read(self._path, self.setting), self.setting)
        except OSError as error:
            raise ConfigError(f"{self.setting}: {self._why(error)}") from None

    def _why(self, error: OSError) -> str:
        return f"{self._shown}: {error.strerror}"

    @property
    def _shown(self) -> str:
        return visible(str(self._path))


class OwnMasterFile(MasterFile):
    """The file that is made where none is configured."""

    def first(self) -> MasterKey:
        """See MasterSource."""
        try:
            if not self._path.exists():
                _make(self._path)
                _log.warning(
                    "a master key was made: keep a copy of it, apart from the data",
                    extra={"path": str(self._path)},
                )
        except OSError as error:
            raise ConfigError(
                f"{self.setting}: the master key could not be made at {self._shown}: "
                f"{error.strerror}; set {self.setting} to a file that you have made"
            ) from None
        return self.load()

    def check(self) -> None:
        """See MasterSource."""
        if self._path.exists():
            self.load()

    def _why(self, error: OSError) -> str:
        if not isinstance(error, FileNotFoundError):
            return super()._why(error)
        return (
            f"the master key is missing: {self._shown} is not there, and the keys in the control "
            "store can be opened with no other; bring it back from a copy, or set "
            f"{self.setting} to where it is"
        )


class MasterEnvironment(MasterSource):
    """A variable of the environment."""

    def __init__(self, name: str, setting: str, environment: Mapping[str, str]) -> None:
        self._name = name
        self._environment = environment
        self.setting = setting

    def load(self) -> MasterKey:
        """See MasterSource."""
        found = self._environment.get(self._name)
        if found is None:
            raise ConfigError(
                f"{self.setting}: the environment has no variable of the name that is set there"
            )
        return masterkey.parse(found.encode(errors="replace"), self.setting)


class MasterCommand(MasterSource):
    """What a command prints: a key management service by its command line."""

    def __init__(self, words: Sequence[str], setting: str) -> None:
        self._words = words
        self.setting = setting

    def load(self) -> MasterKey:
        """See MasterSource."""
        return masterkey.parse(mastercommand.output(self._words, self.setting), self.setting)

    def check(self) -> None:
        """See MasterSource."""
        if shutil.which(self._words[0]) is None:
            raise ConfigError(
                f"{self.setting}: {visible(self._words[0])} is no command that can be run"
            )


def default_path(environment: Mapping[str, str], setting: str) -> Path:
    """Raises ConfigError where the user has no home."""
    base = environment.get("XDG_CONFIG_HOME", "")
    try:
        # The XDG specification has a relative one passed over.
        folder = Path(base) if Path(base).is_absolute() else Path.home() / ".config"
    except RuntimeError:
        raise ConfigError(f"{setting}: this user has no home for a master key; set it") from None
    return folder / "tailrace" / "master.key"


def _read(path: Path, setting: str) -> bytes:
    """Raises OSError, ConfigError."""
    # Without O_NONBLOCK a pipe would wait for its writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123 - takes the descriptor
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise ConfigError(f"{setting}: {visible(str(path))} is no file")
        if found.st_mode & _OTHERS:
            raise ConfigError(
                f"{setting}: {visible(str(path))} may be read or written by others than its owner "
                f"(mode {stat.S_IMODE(found.st_mode):04o}): chmod 600 it"
            )
        return file.read(limits.MASTER_KEY_BYTES + 1)


def _make(path: Path) -> None:
    """Whole or not at all, and never over another. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        with open(os.open(fresh, flags, 0o600), "wb") as file:  # noqa: PTH123 - takes the descriptor
            file.write(masterkey.generated().encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        # Another process may have been quicker; then its key is the one.
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(fresh)
    finally:
        fresh.unlink(missing_ok=True)
    sync_directory(path.parent)
    sync_directory(path.parent.parent)
