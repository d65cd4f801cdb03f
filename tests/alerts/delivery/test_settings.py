"""What can be said of receivers and routes, and what cannot."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from alerting import settings

from tailrace.alerts.delivery.checks import check
from tailrace.alerts.delivery.settings import AnyReceiver, Receiver, RouteSettings, hidden
from tailrace.core import limits, units
from tailrace.core.errors import ConfigError

HOOK = '[[alerts.receivers]]\nname = "hook"\nkind = "webhook"\n'
MAIL = '[[alerts.receivers]]\nname = "mail"\nkind = "email"\nto = ["ops@example.com"]\n'
INNER = "[[alerts.routes]]\n[[alerts.routes.routes]]\n"
URL = 'url = "https://example.com/hook"\n'


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (HOOK, "alerts.receivers[0].url"),
        (HOOK + 'url = "example.com"', "alerts.receivers[0].url"),
        (HOOK + 'url = "https://user@example.com"', "alerts.receivers[0].url"),
        (HOOK + URL + 'url_file = "x"', "alerts.receivers[0].url and"),
        (HOOK + 'url_file = "nowhere/url"', "alerts.receivers[0].url_file"),
        (HOOK + URL + HOOK + URL, "alerts.receivers[1].name"),
        (HOOK + URL + 'timeout = "0s"', "alerts.receivers[0].timeout"),
        (HOOK + URL + 'token = "t"\nusername = "u"', "alerts.receivers[0].token and"),
        (HOOK + URL + 'password = "p"', "alerts.receivers[0].username"),
        (HOOK + URL + 'headers = { "X-A" = "a\\nb" }', "alerts.receivers[0].headers"),
        (HOOK + URL + "max_alerts = -1", "alerts.receivers[0].max_alerts"),
        (MAIL + 'sender = "a@b.example"\nserver = "mail"', "alerts.receivers[0].server"),
        (MAIL + 'server = "mail:25"\nsender = "a\\nBcc: b@c.d"', "alerts.receivers[0].sender"),
        (
            MAIL + 'server = "mail:25"\nsender = "a@b.c"\nusername = "u"\ntls = "none"',
            "alerts.receivers[0].tls",
        ),
        ('[[alerts.receivers]]\nname = "c"\nkind = "command"\ncommand = []', "[0].command"),
        ('[[alerts.receivers]]\nname = "a"\nkind = "alertmanager"\nurls = []', "[0].urls"),
        ('[alerts]\nreceiver = "nobody"', "alerts.receiver:"),
        ('[[alerts.routes]]\nreceiver = "nobody"', "alerts.routes[0].receiver"),
        ('[[alerts.routes]]\nmatchers = ["a"]', "alerts.routes[0].matchers[0]"),
        (INNER + """matchers = ['a=~"("']""", "alerts.routes[0].routes[0].matchers[0]"),
        ('[[alerts.routes]]\ngroup_interval = "0s"', "alerts.routes[0].group_interval"),
        ('[alerts]\nrepeat_interval = "30s"', "alerts.repeat_interval"),
        ('[alerts]\ngroup_wait = "8d"', "alerts.group_wait"),
        ('[alerts]\ngroup_by = ["...", "a"]', "alerts.group_by"),
        ('[[alerts.inhibit]]\nsource = ["a=b"]\ntarget = []', "alerts.inhibit[0]"),
        ('[[alerts.inhibit]]\nsource = ["a"]\ntarget = ["a=b"]', "alerts.inhibit[0].source"),
        ('[alerts]\nallow_targets = ["10.0.0.1/8"]', "alerts.allow_targets[0]"),
        ('[alerts]\nexternal_url = "here"', "alerts.external_url"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_an_error_that_names_its_key(text: str, key: str) -> None:
    with pytest.raises(ConfigError) as error:
        check(settings(text))
    assert key in str(error.value)


def test_receivers_beyond_their_bound_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ALERT_RECEIVERS", 2)
    logs = [f'[[alerts.receivers]]\nname = "r{n}"\nkind = "log"\n' for n in range(3)]
    check(settings("".join(logs[:2])))
    with pytest.raises(ConfigError, match=r"alerts\.receivers: at most 2"):
        check(settings("".join(logs)))


def test_routes_within_one_another_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ALERT_ROUTE_DEPTH", 2)
    check(settings(INNER))
    with pytest.raises(ConfigError, match=r"routes\[0\]: at most 2 routes within another"):
        check(settings(INNER + "[[alerts.routes.routes.routes]]\n"))


@pytest.mark.parametrize("text", ["[alerts]\nsound = true", HOOK + "color = 1"])
def test_a_setting_that_is_unknown_is_an_error(text: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        settings(text)


def test_an_error_says_nothing_of_a_url() -> None:
    with pytest.raises(ConfigError) as error:
        check(settings(HOOK + 'url = "ftp://example.com/T0/s3cret"'))
    assert "s3cret" not in str(error.value)


def test_what_is_usual_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("https://hooks.example.com/services/T0/B0/x")
    check(
        settings(
            f"""
[alerts]
allow_targets = ["10.0.0.0/8", "hooks.corp.example"]
[[alerts.receivers]]
name = "chat"
kind = "slack"
url_file = "{tmp_path}/url"
[[alerts.receivers]]
name = "mail"
kind = "email"
server = "mail.example.com:587"
sender = "tailrace@example.com"
to = ["ops@example.com"]
username = "tailrace"
password = "p"
[[alerts.routes]]
receiver = "mail"
matchers = ['severity="page"']
[[alerts.inhibit]]
source = ['severity="page"']
target = ['severity="warn"']
equal = ["service"]
"""
        )
    )


def test_secrets_are_not_shown() -> None:
    text = (
        HOOK + URL + 'secret = "s3cret"\nusername = "u"\npassword = "pw"\nheaders = { X-K = "k" }'
    )
    (receiver,) = settings(text).receivers
    shown = hidden(msgspec.to_builtins(receiver, enc_hook=units.encode))
    assert (shown["name"], shown["kind"], shown["username"]) == ("hook", "webhook", "u")
    assert not {"s3cret", "pw", "k", "https://example.com/hook"} & {*map(str, shown.values())}
    assert shown["headers"] == {"X-K": "(hidden)"}


def described(heading: str) -> set[str]:
    """Keys in the first cells of the rows below a heading of the page."""
    text = (Path(__file__).resolve().parents[3] / "docs/notifications.md").read_text()
    part = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (`[^|]+`) \|", part, re.MULTILINE)
    return {key for cell in cells for key in re.findall(r"`(\w+)`", cell)}


def keys(struct: type[msgspec.Struct]) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(struct)}


def test_every_key_of_a_receiver_is_described_and_no_other() -> None:
    found = set().union(*(keys(kind) for kind in get_args(AnyReceiver)))
    assert described("Receivers") == found - keys(Receiver)


def test_every_key_of_a_route_is_described_and_no_other() -> None:
    assert described("Routes") == keys(RouteSettings)
