"""Whether settings can be meant: the first that cannot is an error that names its key."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

from tailrace.alerts.delivery import routing
from tailrace.alerts.delivery.inhibition import rules
from tailrace.alerts.delivery.settings import (
    Alertmanager,
    AnyReceiver,
    Command,
    Credentials,
    DeliverySettings,
    Email,
    Slack,
    Webhook,
)
from tailrace.core import limits
from tailrace.core.address import host_port
from tailrace.core.errors import ConfigError

_ADDRESS = re.compile(r"[^\s@<>,;:\"()\[\]\\]+@[^\s@<>,;:\"()\[\]\\]+")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LEAST_TIMEOUT_S, _MOST_TIMEOUT_S = 1.0, 300.0


def check(settings: DeliverySettings) -> None:
    """All of them. Raises ConfigError."""
    if len(settings.receivers) > limits.ALERT_RECEIVERS:
        raise ConfigError(f"alerts.receivers: at most {limits.ALERT_RECEIVERS}")
    names: set[str] = set()
    for number, receiver in enumerate(settings.receivers):
        key = f"alerts.receivers[{number}]"
        if not 0 < len(receiver.name) <= limits.ALERT_NAME_CHARS or receiver.name in names:
            raise ConfigError(f"{key}.name: a name that no other receiver has")
        if not receiver.name.isprintable():
            raise ConfigError(f"{key}.name: {receiver.name!r} cannot be shown on a line")
        names.add(receiver.name)
        _receiver(receiver, key)
    routing.tree(settings)
    rules(settings.inhibit)
    for number, target in enumerate(settings.allow_targets):
        _target(target, f"alerts.allow_targets[{number}]")
    if settings.external_url:
        _url(settings.external_url, "alerts.external_url")


def _receiver(receiver: AnyReceiver, key: str) -> None:
    if not _LEAST_TIMEOUT_S <= receiver.timeout <= _MOST_TIMEOUT_S:
        raise ConfigError(f'{key}.timeout: from "1s" to "5m"')
    if isinstance(receiver, Credentials):
        _credentials(receiver, key)
    if isinstance(receiver, Webhook | Slack):
        _one_of(receiver, key, "url", needed=True)
        if receiver.url:
            _url(receiver.url, f"{key}.url")
    if isinstance(receiver, Webhook):
        _one_of(receiver, key, "secret")
        if receiver.max_alerts < 0:
            raise ConfigError(f"{key}.max_alerts: a number from 0, which is all")
    if isinstance(receiver, Alertmanager):
        _urls(receiver, key)
    if isinstance(receiver, Command) and not (receiver.command and receiver.command[0]):
        raise ConfigError(f"{key}.command: name a command")
    if isinstance(receiver, Email):
        _email(receiver, key)
    files = [receiver.tls_ca] if isinstance(receiver, Slack | Email | Credentials) else []
    _readable(filter(None, files), f"{key}.tls_ca")


def _credentials(receiver: Credentials, key: str) -> None:
    _one_of(receiver, key, "token")
    _one_of(receiver, key, "password")
    if (receiver.token or receiver.token_file) and receiver.username:
        raise ConfigError(f"{key}.token and {key}.username: set one of them")
    if (receiver.password or receiver.password_file) and not receiver.username:
        raise ConfigError(f"{key}.username: the password needs one")
    for name, value in receiver.headers.items():
        if not _HEADER.fullmatch(name) or not (value.isascii() and value.isprintable()):
            raise ConfigError(f"{key}.headers: {name!r} is no header, or its value is not one line")
    _readable(filter(None, [receiver.tls_cert]), f"{key}.tls_cert")


def _one_of(receiver: AnyReceiver | Credentials, key: str, name: str, needed: bool = False) -> None:
    """A secret and the file that it may stand in."""
    value, path = getattr(receiver, name), getattr(receiver, f"{name}_file")
    if value and path:
        raise ConfigError(f"{key}.{name} and {key}.{name}_file: set one of them")
    if needed and not value and not path:
        raise ConfigError(f"{key}.{name}: set it, or {name}_file")
    _readable(filter(None, [path]), f"{key}.{name}_file")


def _readable(paths: Iterable[str], key: str) -> None:
    for path in paths:
        try:
            Path(path).read_bytes()
        except OSError as error:
            raise ConfigError(f"{key}: {path}: {error.strerror}") from None


def _urls(receiver: Alertmanager, key: str) -> None:
    if not receiver.urls:
        raise ConfigError(f'{key}.urls: at least one, such as "http://alertmanager:9093"')
    for number, url in enumerate(receiver.urls):
        _url(url, f"{key}.urls[{number}]")
    if not 1 <= receiver.resend_delay <= 3600:
        raise ConfigError(f'{key}.resend_delay: from "1s" to "1h"')


def _email(receiver: Email, key: str) -> None:
    _one_of(receiver, key, "password")
    host_port(receiver.server, f"{key}.server", "mail.example.com:587", least=1)
    _addresses([receiver.sender], f"{key}.sender")
    if not receiver.to:
        raise ConfigError(f"{key}.to: at least one address")
    _addresses(receiver.to, f"{key}.to")
    if receiver.username and receiver.tls == "none":
        raise ConfigError(f"{key}.tls: a password is not sent without TLS")


def _addresses(addresses: Sequence[str], key: str) -> None:
    for address in addresses:
        if not (_ADDRESS.fullmatch(address) and address.isascii() and address.isprintable()):
            raise ConfigError(f'{key}: {address!r} is no address, such as "ops@example.com"')


def _url(url: str, key: str) -> None:
    """Says nothing of the URL: it may hold a secret."""
    if not is_url(url):
        raise ConfigError(f'{key}: no URL such as "https://example.com/hook", without a user in it')


def is_url(url: str) -> bool:
    """Whether it is an http or https URL that a request can be sent to."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    plain = url.isascii() and url.isprintable() and " " not in url
    return (
        plain
        and parts.scheme in ("http", "https")
        and bool(parts.hostname)
        and "@" not in (parts.netloc)
    )


def _target(target: str, key: str) -> None:
    if not target or target != target.strip() or "://" in target:
        raise ConfigError(f'{key}: {target!r} is no network or name, such as "10.0.0.0/8"')
    if "/" in target:
        try:
            ip_network(target)
        except ValueError as error:
            raise ConfigError(f"{key}: {error}") from None
