"""`[alerts]` of the configuration, as far as it says who is told of alerts, and when.

As a person writes it. What is secret stands in a file that a setting names, which is read at each
use so that it may be replaced, or in the configuration itself; `hidden` takes it out of what is
shown.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from tailrace.core.units import Seconds

LOG = "log"  # the receiver that is always there
_HIDDEN = "(hidden)"
_SECRETS = ("url", "token", "password", "secret")


class Receiver(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"
):
    """Somebody who is told. `send_resolved`: whether of the end too. `timeout`: of one attempt."""

    name: str
    send_resolved: bool = True
    timeout: Seconds = Seconds("30s")

    @property
    def kind(self) -> str:
        """The word that stands for this struct in the configuration."""
        return str(self.__struct_config__.tag)


class Credentials(Receiver, frozen=True, kw_only=True):
    """Of HTTP: a bearer token, or a user and password, and further `headers`. `tls_*`: PEM files,
    the authorities to trust instead of the system's, and a certificate to show."""

    token: str = ""
    token_file: str = ""
    username: str = ""
    password: str = ""
    password_file: str = ""
    headers: dict[str, str] = {}
    tls_ca: str = ""
    tls_cert: str = ""


class Webhook(Credentials, frozen=True, kw_only=True, tag="webhook"):
    """Alertmanager's JSON by POST. `secret`: signs the body. `max_alerts`: the others are only
    counted; 0 for all."""

    url: str = ""
    url_file: str = ""
    secret: str = ""
    secret_file: str = ""
    max_alerts: int = 0


class Slack(Receiver, frozen=True, kw_only=True, tag="slack"):
    """An incoming webhook of Slack, or of what understands its JSON. `channel`: another one."""

    url: str = ""
    url_file: str = ""
    channel: str = ""
    tls_ca: str = ""


class Email(Receiver, frozen=True, kw_only=True, tag="email"):
    """By SMTP. `server` is HOST:PORT. `tls`: "tls" from the first byte, "none" for none."""

    server: str
    sender: str
    to: list[str]
    tls: Literal["starttls", "tls", "none"] = "starttls"
    tls_ca: str = ""
    username: str = ""
    password: str = ""
    password_file: str = ""


class Command(Receiver, frozen=True, kw_only=True, tag="command"):
    """Runs a program without a shell; the notice is JSON on its standard input."""

    command: list[str]


class Alertmanager(Credentials, frozen=True, kw_only=True, tag="alertmanager"):
    """Alertmanagers that are told as Prometheus tells them, every `resend_delay`: they group and
    silence themselves. `urls` are without the path of their API."""

    urls: list[str]
    resend_delay: Seconds = Seconds("1m")


class Log(Receiver, frozen=True, kw_only=True, tag="log"):
    """A line in the own log."""


AnyReceiver = Webhook | Slack | Email | Command | Alertmanager | Log


class RouteSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Alerts that all `matchers` match, of `tenants` where some are named. What is not set is as
    in the route around it. `continue`: whether the routes after it are asked too."""

    receiver: str = ""
    matchers: list[str] = []
    tenants: list[str] = []
    group_by: list[str] | None = None
    group_wait: Seconds | None = None
    group_interval: Seconds | None = None
    repeat_interval: Seconds | None = None
    continue_: bool = msgspec.field(default=False, name="continue")
    routes: list[RouteSettings] = []


class InhibitSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """While an alert that `source` matches fires, those that `target` matches are not told, where
    the labels `equal` are the same on both."""

    source: list[str]
    target: list[str]
    equal: list[str] = []


class DeliverySettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Who is told of what no route takes: `receiver`, the first of `receivers` where it is not set,
    or the own log where there is none. `group_*` and `repeat_interval` are of all routes that do
    not say otherwise. `allow_targets`: networks and names that redirects, and what came by the API,
    may lead to though they are private. `external_url`: where a person finds this server.
    `external_labels`: what templates know, and Alertmanagers are told, beside an alert's labels."""

    receiver: str = ""
    group_by: list[str] = msgspec.field(default_factory=lambda: ["alertname"])
    group_wait: Seconds = Seconds("1s")
    group_interval: Seconds = Seconds("1m")
    repeat_interval: Seconds = Seconds("4h")
    receivers: list[AnyReceiver] = []
    routes: list[RouteSettings] = []
    inhibit: list[InhibitSettings] = []
    allow_targets: list[str] = []
    external_url: str = ""
    external_labels: dict[str, str] = msgspec.field(default_factory=dict)


def receivers(settings: DeliverySettings) -> dict[str, AnyReceiver]:
    """By name, with the one that is always there."""
    return {LOG: Log(name=LOG), **{one.name: one for one in settings.receivers}}


def hidden(receiver: dict[str, Any]) -> dict[str, Any]:
    """A receiver as plain values without what is secret: of a URL, the whole, since those of chats
    are passwords."""
    shown = dict(receiver)
    for name in _SECRETS:
        if shown.get(name):
            shown[name] = _HIDDEN
    if "headers" in shown:
        shown["headers"] = dict.fromkeys(shown["headers"], _HIDDEN)
    return shown
