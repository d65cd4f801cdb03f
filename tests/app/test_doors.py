"""`[[doors]]`: what is refused before anything is opened."""

from __future__ import annotations

from typing import Any

import pytest

from tailrace.app.doors import DoorSettings, check, usual
from tailrace.app.opening import Doors
from tailrace.core.errors import ConfigError

OPEN = "0.0.0.0:5514"


def checked(*doors: DoorSettings, **has: bool) -> None:
    check(doors, **{"certificates": False, "verifies": False, **has})


def test_the_usual_doors_need_nothing() -> None:
    checked(*usual())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"type": "otlp", "listen": "4318"}, "doors[0].listen"),
        ({"type": "otlp", "listen": "127.0.0.1:4318", "tls": True}, "server.tls_cert"),
        ({"type": "syslog-udp", "listen": "127.0.0.1:514", "tls": True}, "server.tls_cert"),
        ({"type": "otlp", "listen": "127.0.0.1:1", "tenant": "shop"}, "tenant and networks"),
        ({"type": "forward", "listen": "127.0.0.1:1", "tenant": "../x"}, "doors[0].tenant"),
        ({"type": "loki", "listen": "127.0.0.1:1", "shared_key_file": "k"}, "only Forward"),
        ({"type": "forward", "listen": "127.0.0.1:1", "networks": ["ten"]}, "is no network"),
        ({"type": "syslog-udp", "listen": OPEN}, "networks"),
        ({"type": "syslog-tcp", "listen": OPEN}, "networks"),
        ({"type": "forward", "listen": OPEN}, "shared_key_file"),
    ],
)
def test_what_is_wrong_is_named(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as found:
        checked(DoorSettings(**settings))
    assert words in str(found.value)


def test_udp_has_no_tls() -> None:
    with pytest.raises(ConfigError, match="use syslog-tcp"):
        checked(DoorSettings("syslog-udp", "127.0.0.1:514", tls=True), certificates=True)


def test_two_doors_of_one_kind_cannot_share_an_address() -> None:
    with pytest.raises(ConfigError, match=r"doors\[1\]"):
        checked(DoorSettings("otlp", "127.0.0.1:1"), DoorSettings("loki", "127.0.0.1:1"))
    checked(
        DoorSettings("syslog-udp", "127.0.0.1:514"), DoorSettings("syslog-tcp", "127.0.0.1:514")
    )


@pytest.mark.parametrize(
    ("settings", "has"),
    [
        ({"type": "otlp"}, {}),
        ({"type": "syslog-tcp", "tls": True}, {"certificates": True, "verifies": True}),
        ({"type": "syslog-udp", "networks": ["10.0.0.0/8"]}, {}),
        ({"type": "forward", "shared_key_file": "key"}, {}),
    ],
)
def test_a_door_that_asks_who_is_there_may_be_reached(
    settings: dict[str, Any], has: dict[str, bool]
) -> None:
    checked(DoorSettings(listen=OPEN, **settings), **has)


def test_a_shared_key_that_cannot_be_read_is_named_before_a_door_is_opened() -> None:
    unused: Any = None
    settings = DoorSettings("forward", "127.0.0.1:0", shared_key_file="/nowhere/key")
    named = r"^server\.doors\[0\]\.shared_key_file: /nowhere/key: No such file"
    with pytest.raises(ConfigError, match=named):
        Doors([settings], unused, unused, None, unused)
