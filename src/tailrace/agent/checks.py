"""Whether an input can work, as far as its settings tell; before anything is opened."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from tailrace.agent.feeds.secret import secret
from tailrace.agent.files.events import events_of
from tailrace.agent.inputs import (
    AnyInput,
    CommandInput,
    Files,
    HostInput,
    PrometheusInput,
    RedisInput,
    RestInput,
    StdinInput,
)
from tailrace.core import limits
from tailrace.core.address import host_port
from tailrace.core.errors import ConfigError, QueryError
from tailrace.core.units import Seconds
from tailrace.wire.jsonpath import Path
from tailrace.wire.samples import NAME_CHARACTERS

SHORTEST_S = 1.0
LARGEST_S = 86_400.0
_header = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


def check(inputs: Sequence[AnyInput], key: str = "agent.inputs") -> None:
    """Raises ConfigError that names the setting, such as "agent.inputs[2].url"."""
    if sum(isinstance(entry, StdinInput) for entry in inputs) > 1:
        raise ConfigError(f"{key}: only one input may be of type stdin")
    servers: dict[str, int] = {}
    for number, entry in enumerate(inputs):
        found = _CHECKS.get(type(entry))
        if found is not None:
            found(entry, f"{key}[{number}]")
        if isinstance(entry, RedisInput):
            earlier = servers.setdefault(entry.address, number)
            if earlier != number:
                raise ConfigError(f"{key}[{number}]: {key}[{earlier}] reads the same slow log")


def check_files(inputs: Sequence[AnyInput], key: str = "agent.inputs") -> None:
    """At start: the files that settings name hold what they should, and commands can be found.
    Raises ConfigError."""
    for number, entry in enumerate(inputs):
        for name in ("token_file", "password_file"):
            if path := getattr(entry, name, ""):
                secret(path, f"{key}[{number}].{name}")
        if isinstance(entry, CommandInput) and shutil.which(entry.command[0]) is None:
            raise ConfigError(
                f"{key}[{number}].command: {entry.command[0]!r} is no command that can be run"
            )


def _files(entry: Files, key: str) -> None:
    if not entry.paths:
        raise ConfigError(f"{key}.paths: name at least one path")
    events_of(entry, f"{key}.")


def _prometheus(entry: PrometheusInput, key: str) -> None:
    if not entry.targets:
        raise ConfigError(f"{key}.targets: name at least one URL")
    if len(entry.targets) > limits.SCRAPE_TARGETS:
        raise ConfigError(
            f"{key}.targets: at most {limits.SCRAPE_TARGETS}; more are another agent's"
        )
    for number, url in enumerate(entry.targets):
        _url(url, f"{key}.targets[{number}]")
        if url in entry.targets[:number]:
            raise ConfigError(f"{key}.targets[{number}]: is there twice")
    _request(entry, key)


def _rest(entry: RestInput, key: str) -> None:
    _url(entry.url, f"{key}.url")
    _request(entry, key)
    if not (entry.items or entry.metrics):
        raise ConfigError(f"{key}.items: name the records, or numbers in {key}.metrics")
    if entry.items:
        _path(entry.items, f"{key}.items")
    for name, path in entry.metrics.items():
        if not 0 < len(name) <= NAME_CHARACTERS:
            raise ConfigError(f"{key}.metrics: a name has 1 to {NAME_CHARACTERS} characters")
        _path(path, f"{key}.metrics.{name}")


def _command(entry: CommandInput, key: str) -> None:
    if not entry.command:
        raise ConfigError(f"{key}.command: name a command")


def _host(entry: HostInput, key: str) -> None:
    _duration(entry.interval, f"{key}.interval")
    if not 0 <= entry.processes <= limits.HOST_PROCESSES:
        raise ConfigError(f"{key}.processes: must be 0 to {limits.HOST_PROCESSES}")


def _redis(entry: RedisInput, key: str) -> None:
    _duration(entry.interval, f"{key}.interval")
    address(entry.address, f"{key}.address")
    if entry.username and not entry.password_file:
        raise ConfigError(f"{key}.password_file: a username needs a password")


def address(text: str, key: str) -> tuple[str, int]:
    """Host and port of a server. Raises ConfigError."""
    return host_port(text, key, "127.0.0.1:6379", least=1)


def _request(entry: PrometheusInput | RestInput, key: str) -> None:
    """What inputs share that ask over HTTP."""
    _duration(entry.interval, f"{key}.interval")
    if not 0 < entry.timeout <= LARGEST_S:
        raise ConfigError(f"{key}.timeout: must be more than 0s and at most a day")
    _headers(entry.headers, f"{key}.headers")
    named = {name.lower() for name in entry.headers}
    if entry.token_file and "authorization" in named:
        raise ConfigError(f"{key}.token_file: {key}.headers has an Authorization; set one of them")


def _url(url: str, key: str) -> None:
    """The message does not repeat it: it may hold what is secret."""
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        raise ConfigError(f"{key}: is not a URL") from None
    if not fine or not (url.isascii() and url.isprintable() and " " not in url):
        raise ConfigError(f"{key}: is not an http or https URL in plain characters")
    if parts.username is not None or parts.password is not None:
        raise ConfigError(f"{key}: holds a user or password; use token_file or headers")


def _headers(headers: Mapping[str, str], key: str) -> None:
    for name, value in headers.items():
        if not _header.fullmatch(name):
            raise ConfigError(f"{key}: {name!r} is not the name of a header")
        if not (value.isascii() and value.isprintable()):
            raise ConfigError(f"{key}.{name}: holds characters that a header must not")


def _duration(found: Seconds, key: str) -> None:
    if not SHORTEST_S <= found <= LARGEST_S:
        raise ConfigError(f"{key}: must be from 1s to 1d")


def _path(text: str, key: str) -> None:
    try:
        Path(text)
    except QueryError as error:
        raise ConfigError(f"{key}: {error}, at character {error.position + 1}") from None


_CHECKS: Mapping[type, Callable[[Any, str], None]] = {
    Files: _files,
    CommandInput: _command,
    PrometheusInput: _prometheus,
    RestInput: _rest,
    HostInput: _host,
    RedisInput: _redis,
}
