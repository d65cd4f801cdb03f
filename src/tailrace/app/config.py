"""Configuration: one TOML file, environment overrides, checked whole at start.

`TAILRACE_SERVER__LISTEN=127.0.0.1:9000` overrides `listen` in `[server]`; lists are given as TOML.
Every setting has a default; docs/configuration.md lists them and a test keeps that true.
"""

from __future__ import annotations

import ipaddress
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from tailrace.app.paths import check_paths
from tailrace.app.units import duration_s, size_bytes
from tailrace.core.errors import ConfigError

_PREFIX = "TAILRACE_"


class Server(msgspec.Struct, forbid_unknown_fields=True):
    """`listen`: address of the one HTTP port. `token` or `token_file`: who may use it."""

    listen: str = "127.0.0.1:7480"
    data_dir: str = "tailrace-data"
    token: str = ""
    token_file: str = ""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


class QueueSettings(msgspec.Struct, forbid_unknown_fields=True):
    """Bounds of the embedded queue. At `max_size` senders are asked to wait."""

    max_size: str = "8GiB"
    segment_size: str = "64MiB"
    dead_letter_size: str = "256MiB"
    disk_reserve: str = "512MiB"


class StoreSettings(msgspec.Struct, forbid_unknown_fields=True):
    """`memory`: what the engine may use."""

    memory: str = "500MiB"


class ArchiveSettings(msgspec.Struct, forbid_unknown_fields=True):
    """`step`: how long rows may wait for company before a Parquet file is written."""

    directory: str = ""
    step: str = "60s"


class InputSettings(msgspec.Struct, forbid_unknown_fields=True):
    """One application's files, and who it is; or, with `journal`, systemd's journal."""

    paths: list[str] = []
    exclude: list[str] = []
    service: str = ""
    codec: Literal["lines", "records"] = "lines"
    start: Literal["beginning", "end"] = "beginning"
    resource: dict[str, str] = {}
    journal: bool = False
    units: list[str] = []
    directory: str = ""


class AgentConfig(msgspec.Struct, forbid_unknown_fields=True):
    """What is tailed and where it goes. No `gateways`: the server of the same process."""

    directory: str = ""
    gateways: list[str] = []
    token: str = ""
    token_file: str = ""
    spool: str = "4GiB"
    poll_interval: str = "250ms"
    flush_interval: str = "500ms"
    inputs: list[InputSettings] = []


class Config(msgspec.Struct, forbid_unknown_fields=True):
    """The whole file."""

    server: Server = msgspec.field(default_factory=Server)
    queue: QueueSettings = msgspec.field(default_factory=QueueSettings)
    store: StoreSettings = msgspec.field(default_factory=StoreSettings)
    archive: ArchiveSettings = msgspec.field(default_factory=ArchiveSettings)
    agent: AgentConfig = msgspec.field(default_factory=AgentConfig)


def load(path: Path | None, environment: Mapping[str, str]) -> Config:
    """Read, override, check. Raises ConfigError naming the key."""
    raw = _read(path) if path else {}
    for name, value in environment.items():
        if name.startswith(_PREFIX):
            _override(raw, name, value)
    try:
        config = msgspec.convert(raw, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(_plain(str(error))) from None
    _check(config)
    return config


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None


def _override(raw: dict[str, Any], name: str, value: str) -> None:
    section, _, key = name.removeprefix(_PREFIX).lower().partition("__")
    fields = {field.name: field for field in msgspec.structs.fields(Config)}
    known = fields.get(section)
    kinds = {f.name: f.type for f in msgspec.structs.fields(known.type)} if known else {}
    if key not in kinds:
        raise ConfigError(
            f"{name}: no such setting; names are {_PREFIX}SECTION__KEY, sections: "
            f"{', '.join(fields)}"
        )
    parsed: Any = value
    if kinds[key] is not str and value.startswith(("[", "{")):
        try:
            parsed = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{name}: not a valid TOML value: {error}") from None
    raw.setdefault(section, {})[key] = parsed


def _plain(message: str) -> str:
    """msgspec's words with the key first."""
    text, _, place = message.partition(" - at `$")
    key = place.rstrip("`").lstrip(".") or "the file"
    return f"{key}: {text[:1].lower()}{text[1:]}"


def _check(config: Config) -> None:
    _check_units(config)
    host, _port = address(config)
    for section in ("server", "agent"):
        settings = getattr(config, section)
        if settings.token and settings.token_file:
            raise ConfigError(f"{section}.token and {section}.token_file: set one of them")
    if not _loopback(host) and not (config.server.token or config.server.token_file):
        raise ConfigError(
            f"server.listen: {host} is reachable from other machines, which requires "
            "server.token or server.token_file; without one use 127.0.0.1"
        )
    for number, entry in enumerate(config.agent.inputs):
        _check_input(f"agent.inputs[{number}]", entry)
    _check_journals(config.agent.inputs)
    check_paths([(entry.paths, entry.exclude) for entry in config.agent.inputs])


def _check_input(key: str, entry: InputSettings) -> None:
    if entry.journal and entry.paths:
        raise ConfigError(f"{key}: has paths and journal = true; set one of them")
    if not (entry.journal or entry.paths):
        raise ConfigError(f"{key}.paths: name at least one path, or set journal = true")
    misplaced = ("exclude", "codec") if entry.journal else ("units", "directory")
    defaults = InputSettings()
    for name in misplaced:
        if getattr(entry, name) != getattr(defaults, name):
            other = "paths" if entry.journal else "journal = true"
            raise ConfigError(f"{key}.{name}: belongs to an input with {other}")


def _check_journals(inputs: list[InputSettings]) -> None:
    """An entry of a journal belongs to one input."""
    journals = [(number, entry) for number, entry in enumerate(inputs) if entry.journal]
    for place, (number, entry) in enumerate(journals):
        for earlier, other in journals[:place]:
            if os.path.normpath(entry.directory) != os.path.normpath(other.directory):
                continue
            if entry.units and other.units and not set(entry.units) & set(other.units):
                continue
            raise ConfigError(
                f"agent.inputs[{number}].journal: agent.inputs[{earlier}] reads the same journal; "
                "give both of them `units` that the other has not"
            )


def _check_units(config: Config) -> None:
    for key in ("max_size", "segment_size", "dead_letter_size", "disk_reserve"):
        size_bytes(getattr(config.queue, key), f"queue.{key}")
    size_bytes(config.store.memory, "store.memory")
    duration_s(config.archive.step, "archive.step")
    size_bytes(config.agent.spool, "agent.spool")
    for key in ("poll_interval", "flush_interval"):
        duration_s(getattr(config.agent, key), f"agent.{key}")


def address(config: Config) -> tuple[str, int]:
    """Host and port of `server.listen`."""
    host, _, port = config.server.listen.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise ConfigError(
            f'server.listen: {config.server.listen!r} is not HOST:PORT, such as "127.0.0.1:7480"'
        )
    return host.strip("[]"), int(port)


def url(config: Config) -> str:
    """The server's own base URL."""
    return f"http://{listening(*address(config))}"


def listening(host: str, port: int) -> str:
    """`HOST:PORT`, the way `server.listen` is written."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def token(settings: Server | AgentConfig, section: str) -> str:
    """The token itself, read from its file where one is named."""
    if not settings.token_file:
        return settings.token
    try:
        found = Path(settings.token_file).read_text().strip()
    except OSError as error:
        raise ConfigError(
            f"{section}.token_file: {settings.token_file}: {error.strerror}"
        ) from None
    if not found:
        raise ConfigError(f"{section}.token_file: {settings.token_file} is empty")
    return found


def shown(config: Config) -> dict[str, Any]:
    """All settings as plain values, secrets hidden."""
    plain: dict[str, Any] = msgspec.to_builtins(config)
    for section in ("server", "agent"):
        if plain[section]["token"]:
            plain[section]["token"] = "(hidden)"  # noqa: S105 - a placeholder
    return plain
