"""Configuration: one TOML file, environment overrides, checked whole at start.

`TAILRACE_SERVER__LISTEN=127.0.0.1:9000` overrides `listen` in `[server]`; lists are given as TOML.
Every setting has a default; docs/configuration.md lists them and a test keeps that true.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import xxhash

from tailrace.agent import checks
from tailrace.agent.delivery import pacing
from tailrace.agent.delivery.pacing import Pace
from tailrace.agent.delivery.spool import WhenFull
from tailrace.agent.feeds.listening import check_listening
from tailrace.agent.inputs import AnyInput, Files, JournalInput, LogInput
from tailrace.agent.sampling.sampler import sampler_of
from tailrace.alerts.delivery.settings import hidden
from tailrace.app import alertsettings, builtinrules, doors, keys, spacesettings
from tailrace.app.alertsettings import AlertsConfig, patterns
from tailrace.app.archivekeep import ArchiveSettings, retention
from tailrace.app.doors import DoorSettings
from tailrace.app.keeping import StoreSettings, keep, rewriting
from tailrace.app.keys import KeySettings
from tailrace.app.limits import LimitsConfig, quotas
from tailrace.app.mistakes import mistake, nearest
from tailrace.app.paths import check_paths
from tailrace.app.queries import QueryConfig, policy
from tailrace.app.spacesettings import SpaceConfig
from tailrace.core import limits, units
from tailrace.core.address import host_port, is_loopback
from tailrace.core.errors import ConfigError
from tailrace.core.units import Seconds, Size
from tailrace.governance import location
from tailrace.ship import gateways
from tailrace.ship.gateways import Gateway

_PREFIX = "TAILRACE_"
LISTEN = "127.0.0.1:7480"  # an example
_HIDDEN = "(hidden)"
# With less nothing is ever taken or stored, or a thread does nothing but look.
_LEAST: Mapping[str, Size | Seconds] = {
    "queue.max_size": Size("1MiB"),
    "store.memory": Size(
        "64MiB"
    ),  # the engine does not open with 16 MiB, and inserts nothing at 32
    "agent.spool": Size("64KiB"),
    "agent.poll_interval": Seconds("10ms"),
    "agent.flush_interval": Seconds("10ms"),
}


class Server(msgspec.Struct, forbid_unknown_fields=True):
    """`listen`: address of the one HTTP port. `token` or `token_file`: who may use it, beside those
    that have a token of the control store. `auth`: whether everyone needs one; "auto" is not on
    loopback, unless one is set here. `control`: a database for the control store, see
    governance/location.py; a file under `data_dir` without. `tls_*`: PEM files, see app/tls.py. No
    `doors`: the usual."""

    listen: str = "127.0.0.1:7480"
    data_dir: str = "tailrace-data"
    token: str = ""
    token_file: str = ""
    auth: Literal["auto", "required"] = "auto"
    control: str = ""
    control_password_file: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    tls_client_ca: str = ""
    doors: list[DoorSettings] | None = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


class QueueSettings(msgspec.Struct, forbid_unknown_fields=True):
    """Bounds of the embedded queue. At `max_size` senders are asked to wait."""

    max_size: Size = Size("8GiB")
    segment_size: Size = Size("64MiB")
    dead_letter_size: Size = Size("256MiB")
    disk_reserve: Size = Size("512MiB")


class BackupSettings(msgspec.Struct, forbid_unknown_fields=True):
    """`directory`: the one place that the server writes backups to, none without. `keep`: how long
    they are to be kept, "0s" is for ever."""

    directory: str = ""
    keep: Seconds = Seconds("30d")


class AgentConfig(msgspec.Struct, forbid_unknown_fields=True):
    """What is tailed and where it goes. No `gateways`: the server of the same process.

    `system` to `resource`: what only a person knows of the machine; it goes before what its
    environment and its files say. `zone` and `region` also say which gateways are near.
    `spool_full`: what happens at `spool` or `spool_age`; "0s" is no bound of age. `bulk_*`: when
    the bulk lane may send; "0B" is any rate. `announce`: how often the gateway hears how the agent
    is. `listen`: where `tailrace agent` serves its own metrics.
    """

    directory: str = ""
    gateways: list[str | Gateway] = []
    token: str = ""
    token_file: str = ""
    tls_ca: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    spool: Size = Size("4GiB")
    spool_age: Seconds = Seconds("0s")
    spool_full: WhenFull = "stop"
    bulk_rate: Size = Size("0B")
    bulk_window: str = ""
    bulk_jitter: Seconds = Seconds("0s")
    poll_interval: Seconds = Seconds("250ms")
    flush_interval: Seconds = Seconds("800ms")
    system: str = ""
    region: str = ""
    zone: str = ""
    environment: str = ""
    resource: dict[str, str] = {}
    announce: Seconds = Seconds("15s")
    listen: str = ""
    inputs: list[AnyInput] = []


class GatewayConfig(msgspec.Struct, forbid_unknown_fields=True):
    """Of `tailrace gateway`: where everything goes, as an agent's gateways are named."""

    upstream: list[str | Gateway] = []
    token: str = ""
    token_file: str = ""
    tls_ca: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    zone: str = ""
    region: str = ""


class GuardConfig(KeySettings, frozen=True, forbid_unknown_fields=True):
    """What keeps personal data out: its tables are in guard/settings.py, the keys of pseudonyms in
    app/keys.py."""


class Config(msgspec.Struct, forbid_unknown_fields=True):
    """The whole file."""

    server: Server = msgspec.field(default_factory=Server)
    queue: QueueSettings = msgspec.field(default_factory=QueueSettings)
    store: StoreSettings = msgspec.field(default_factory=StoreSettings)
    archive: ArchiveSettings = msgspec.field(default_factory=ArchiveSettings)
    space: SpaceConfig = msgspec.field(default_factory=SpaceConfig)
    backup: BackupSettings = msgspec.field(default_factory=BackupSettings)
    agent: AgentConfig = msgspec.field(default_factory=AgentConfig)
    limits: LimitsConfig = msgspec.field(default_factory=LimitsConfig)
    gateway: GatewayConfig = msgspec.field(default_factory=GatewayConfig)
    guard: GuardConfig = msgspec.field(default_factory=GuardConfig)
    query: QueryConfig = msgspec.field(default_factory=QueryConfig)
    alerts: AlertsConfig = msgspec.field(default_factory=AlertsConfig)


def load(path: Path | None, environment: Mapping[str, str]) -> Config:
    """Read, override, check. Raises ConfigError naming the key."""
    raw = _read(path) if path else {}
    overridden: dict[str, str] = {}
    for name, value in environment.items():
        if name.startswith(_PREFIX):
            overridden[_override(raw, name, value)] = name
    try:
        for entry in raw["agent"]["inputs"]:
            entry.setdefault("type", "files")
    except (KeyError, TypeError, AttributeError):
        pass  # there are none, or the conversion says what is wrong
    try:
        config = msgspec.convert(raw, Config, dec_hook=units.decode)
    except msgspec.ValidationError as error:
        key, wrong = mistake(error, Config, raw)
        raise ConfigError(f"{overridden.get(key, key)}: {wrong}") from None
    _check(config)
    return config


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}, line {line}: TOML is UTF-8, which this is not") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None


def _override(raw: dict[str, Any], name: str, value: str) -> str:
    """Put the value in its place, and give the setting's name. Raises ConfigError."""
    setting = name.removeprefix(_PREFIX).lower().replace("__", ".", 1)
    kinds = _kinds()
    if setting not in kinds:
        meant = nearest(setting, kinds).replace(".", "__").upper()
        sections = ", ".join(Config.__struct_fields__)
        names = f"names are {_PREFIX}SECTION__KEY, sections: {sections}"
        hint = f"is it {_PREFIX}{meant}?" if meant else names
        raise ConfigError(f"{name}: no such setting; {hint}")
    parsed: Any = value
    if kinds[setting] is not str and value.startswith(("[", "{")):
        try:
            parsed = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{name}: not a valid TOML value: {error}") from None
    if kinds[setting] is float:
        try:
            parsed = float(value)
        except ValueError:
            raise ConfigError(f"{name}: {value!r} is no number") from None
    if kinds[setting] is int and value.isascii() and value.isdigit():
        parsed = int(value)
    if kinds[setting] is bool and value in ("true", "false"):
        parsed = value == "true"
    section, _, key = setting.partition(".")
    table = raw.setdefault(section, {})
    if isinstance(table, dict):  # else the conversion says what is wrong
        table[key] = parsed
    return setting


def _kinds() -> dict[str, Any]:
    """The type of each setting by its name, such as "server.listen"."""
    sections = msgspec.structs.fields(Config)
    return {f"{s.name}.{f.name}": f.type for s in sections for f in msgspec.structs.fields(s.type)}


def _check(config: Config) -> None:
    address(config)
    for name, least in _LEAST.items():
        section, _, key = name.partition(".")
        if getattr(getattr(config, section), key) < least:
            raise ConfigError(f'{name}: at least "{least.text}"')
    for section in ("agent", "gateway"):
        settings = getattr(config, section)
        if settings.tls_key and not settings.tls_cert:
            raise ConfigError(
                f"{section}.tls_key: the certificate it belongs to is {section}.tls_cert"
            )
    if config.gateway.upstream:
        gateways.targets(config.gateway.upstream, "gateway.upstream")
    for section in ("server", "agent", "gateway"):
        settings = getattr(config, section)
        if settings.token and settings.token_file:
            raise ConfigError(f"{section}.token and {section}.token_file: set one of them")
    if config.server.token != config.server.token.strip():
        raise ConfigError("server.token: no client can send the spaces around it; leave them out")
    _check_tls(config.server)
    _check_control(config.server)
    server = config.server
    doors.check(server.doors or [], bool(server.tls_cert), bool(server.tls_client_ca))
    quotas(config.limits)
    spacesettings.marks(config.space)
    policy(config.query)
    patterns(config.alerts)
    alertsettings.check(config.alerts)
    builtinrules.check(config.alerts)
    keys.check(config.guard)
    retention(config.archive)
    keep(config.store)
    rewriting(config.store)
    _check_backup(config)
    _check_agent(config.agent)
    _check_delivery(config.agent)
    _check_inputs(config.agent.inputs)


def _check_backup(config: Config) -> None:
    """Where a backup is within what it is of, it would be of itself, and gone with it."""
    directory = Path(config.backup.directory)
    if not config.backup.directory:
        return
    if not directory.is_absolute():
        raise ConfigError("backup.directory: give an absolute path, which no start changes")
    for key in ("server.data_dir", "archive.directory"):
        section, _, name = key.partition(".")
        other = getattr(getattr(config, section), name)
        if other and directory.resolve().is_relative_to(Path(other).resolve()):
            raise ConfigError(f"backup.directory: {directory} is within {key}; set another")


def _check_tls(server: Server) -> None:
    for key in ("tls_key", "tls_client_ca"):
        if getattr(server, key) and not server.tls_cert:
            raise ConfigError(f"server.{key}: there is no TLS without server.tls_cert; set it too")


def _check_control(server: Server) -> None:
    if server.control:
        location.check(server.control, "server.control")
    elif server.control_password_file:
        raise ConfigError("server.control_password_file: the database is server.control; set it")


def requires_token(server: Server, host: str) -> bool:
    """Whether nobody is let in without a token by a listener on `host`."""
    said = server.auth == "required" or server.token or server.token_file
    return bool(said) or not is_loopback(host)


def _check_agent(agent: AgentConfig) -> None:
    if agent.announce and not 0.1 <= agent.announce <= limits.ANNOUNCE_LARGEST_S:
        raise ConfigError('agent.announce: from "100ms" to "1h", or "0s" for never')
    if len(agent.resource) > limits.MACHINE_ATTRIBUTES // 2:
        raise ConfigError(f"agent.resource: at most {limits.MACHINE_ATTRIBUTES // 2} identifiers")
    if agent.listen and not is_loopback(host_port(agent.listen, "agent.listen", LISTEN)[0]):
        raise ConfigError(
            f"agent.listen: {agent.listen} is reachable from other machines, and nobody is asked "
            "for a token there; use 127.0.0.1"
        )


def pace(agent: AgentConfig) -> Pace:
    """When the bulk lane may send."""
    return Pace(agent.bulk_rate, agent.bulk_window, agent.bulk_jitter)


def _check_delivery(agent: AgentConfig) -> None:
    if agent.gateways:
        gateways.targets(agent.gateways)
    pacing.window(pace(agent))
    if agent.bulk_jitter and not agent.bulk_window:
        raise ConfigError("agent.bulk_jitter is a delay within agent.bulk_window: set both")


def _check_inputs(inputs: Sequence[AnyInput]) -> None:
    for number, entry in enumerate(inputs):
        check_listening(entry, f"agent.inputs[{number}]")
        if isinstance(entry, LogInput):
            sampler_of(entry, f"agent.inputs[{number}].")
    checks.check(inputs)
    _check_journals(inputs)
    files = {n: (e.paths, e.exclude) for n, e in enumerate(inputs) if isinstance(e, Files)}
    check_paths(files)


def _check_journals(inputs: Sequence[AnyInput]) -> None:
    """An entry of a journal belongs to one input."""
    journals = [(n, entry) for n, entry in enumerate(inputs) if isinstance(entry, JournalInput)]
    for place, (number, entry) in enumerate(journals):
        for earlier, other in journals[:place]:
            if os.path.normpath(entry.directory) != os.path.normpath(other.directory):
                continue
            if entry.units and other.units and not set(entry.units) & set(other.units):
                continue
            raise ConfigError(
                f"agent.inputs[{number}]: agent.inputs[{earlier}] reads the same journal; "
                "give both of them `units` that the other has not"
            )


def address(config: Config) -> tuple[str, int]:
    """Host and port of `server.listen`."""
    return host_port(config.server.listen, "server.listen", LISTEN)


def agent_address(config: Config) -> tuple[str, int] | None:
    """Host and port of `agent.listen`; None when it is not served."""
    return host_port(config.agent.listen, "agent.listen", LISTEN) if config.agent.listen else None


def url(config: Config) -> str:
    """The server's own base URL."""
    scheme = "https" if config.server.tls_cert else "http"
    return f"{scheme}://{listening(*address(config))}"


def listening(host: str, port: int) -> str:
    """`HOST:PORT`, the way `server.listen` is written."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def token(settings: Server | AgentConfig, section: str) -> str:
    """The token itself, read from its file where one is named. Raises ConfigError."""
    key, found = f"{section}.token", settings.token
    if settings.token_file:
        key = f"{section}.token_file"
        found = secret(settings.token_file, key)
        key = f"{key}: {settings.token_file}"
    if not (found.isascii() and found.isprintable()):
        raise ConfigError(f"{key}: a token is printable ASCII without a line break")
    return found


def secret(path: str, key: str) -> str:
    """What a file holds that the setting `key` names. Raises ConfigError."""
    try:
        found = Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "is not text"
        raise ConfigError(f"{key}: {path}: {why}") from None
    if not found:
        raise ConfigError(f"{key}: {path} is empty")
    return found


def shown(config: Config) -> dict[str, Any]:
    """All settings as plain values, secrets hidden."""
    plain: dict[str, Any] = msgspec.to_builtins(config, enc_hook=units.encode)
    for section in ("server", "agent", "gateway"):
        if plain[section]["token"]:
            plain[section]["token"] = _HIDDEN
    for entry in plain["agent"]["inputs"]:
        _hide(entry)
    plain["alerts"]["receivers"] = [hidden(one) for one in plain["alerts"]["receivers"]]
    return plain


def _hide(entry: dict[str, Any]) -> None:
    """Values of headers and what follows the ? of a URL: keys of an API often stand there."""
    if "headers" in entry:
        entry["headers"] = dict.fromkeys(entry["headers"], _HIDDEN)
    if "url" in entry:
        entry["url"] = _without_query(entry["url"])
    if "targets" in entry:
        entry["targets"] = [_without_query(url) for url in entry["targets"]]


def _without_query(url: str) -> str:
    base, mark, _ = url.partition("?")
    return f"{base}?{_HIDDEN}" if mark else url


def fingerprint(config: Config) -> str:
    """A hash of the agent's settings, the same for agents that are told the same. No secrets."""
    plain = shown(config)["agent"]
    return xxhash.xxh3_64_hexdigest(msgspec.json.encode(plain, order="deterministic"))
