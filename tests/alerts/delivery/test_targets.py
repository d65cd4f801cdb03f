"""Where notices may go, by address."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address

import pytest

from tailrace.alerts.delivery.outcome import NotTaken
from tailrace.alerts.delivery.targets import addresses, allowed, permits

NOBODY = allowed([])


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254", "169.254.0.1", "fe80::1", "224.0.0.1", "ff02::1", "0.0.0.0", "::",
        "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254",
        "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1",
    ],
)  # fmt: skip
def test_nobody_is_sent_there(address: str) -> None:
    everywhere = allowed(["0.0.0.0/0", "::/0", "host"])
    assert not permits(ip_address(address), "host", True, everywhere)


PRIVATE = [
    "127.0.0.1",
    "::1",
    "10.1.2.3",
    "192.168.0.1",
    "100.64.0.1",
    "fd12::1",
    "::ffff:10.0.0.1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_address_is_for_targets_of_the_configuration(address: str) -> None:
    assert permits(ip_address(address), "host", True, NOBODY)
    assert not permits(ip_address(address), "host", False, NOBODY)


@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_that_is_allowed_may_be_private(address: str) -> None:
    assert permits(
        ip_address(address), "Hooks.corp.example", False, allowed(["hooks.corp.example"])
    )


def test_a_network_that_is_allowed_may_be_redirected_to() -> None:
    some = allowed(["10.0.0.0/8", "192.0.2.7"])
    assert permits(ip_address("10.9.9.9"), "host", False, some)
    assert not permits(ip_address("192.168.0.1"), "host", False, some)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1"])
def test_a_public_address_is_for_everybody(address: str) -> None:
    assert permits(ip_address(address), "host", False, NOBODY)


def test_of_a_name_only_the_addresses_that_are_good_are_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = [
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1%eth0", 80, 0, 2)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 80)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 80)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *words: found)
    assert asyncio.run(addresses("a.example", 80, False, NOBODY)) == ["93.184.216.34"]
    assert asyncio.run(addresses("a.example", 80, True, NOBODY)) == ["10.0.0.1", "93.184.216.34"]


def test_a_name_of_bad_addresses_alone_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *words: found)
    with pytest.raises(NotTaken, match="no address"):
        asyncio.run(addresses("metadata.example", 80, True, NOBODY))


def test_a_name_that_is_not_found_may_be_found_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*words: object) -> None:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", fails)
    with pytest.raises(NotTaken) as error:
        asyncio.run(addresses("nowhere.example", 80, True, NOBODY))
    assert not error.value.lasting
