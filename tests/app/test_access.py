"""Which listener asks for what, and when nobody could come in."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from tailrace.app.access import Access
from tailrace.app.config import Server
from tailrace.core.access import ANYONE, Scope
from tailrace.core.clock import SystemClock
from tailrace.core.errors import ConfigError, Unauthenticated
from tailrace.core.metrics import Metrics
from tailrace.governance import tokentable
from tailrace.governance.control import Control


def opened(directory: Path, *hosts: str, stored: bool = False, **server: str) -> Access:
    """With listeners on these hosts, and a token in the control store if there shall be one."""

    async def main() -> Access:
        control = Control(directory)
        await control.open()
        try:
            if stored:
                now_ns = time.time_ns()
                await control.run(
                    lambda c: tokentable.create(c, "shop", [Scope.QUERY], "x", now_ns)
                )
            access = Access(Server(**server), control, SystemClock(), Metrics())
            for host in hosts:
                access.entrance(f"the door on {host}", host)
            await access.open()
            return access
        finally:
            await control.close()

    return asyncio.run(main())


def test_one_open_door_beside_a_loopback_port_needs_a_token(tmp_path: Path) -> None:
    opened(tmp_path, "127.0.0.1", "::1", "localhost")
    with pytest.raises(ConfigError, match=r"the door on 0\.0\.0\.0 asks everyone for a token"):
        opened(tmp_path, "127.0.0.1", "0.0.0.0")
    opened(tmp_path, "127.0.0.1", "0.0.0.0", stored=True)


def test_each_listener_asks_as_its_own_address_demands(tmp_path: Path) -> None:
    access = opened(tmp_path, stored=True)
    assert access.entrance("inside", "127.0.0.1").authorise(None) == ANYONE
    with pytest.raises(Unauthenticated):
        access.entrance("outside", "10.0.0.1").authorise(None)


def test_the_token_of_the_configuration_does_all_but_relay(tmp_path: Path) -> None:
    access = opened(tmp_path, "0.0.0.0", token="sesame")
    found = access.entrance("main", "0.0.0.0").recognise("sesame")
    assert (found.tenant, found.scopes) == ("default", frozenset(Scope) - {Scope.RELAY})


def test_the_agent_of_the_process_may_send_and_its_port_takes_nobody_else(tmp_path: Path) -> None:
    access = opened(tmp_path, "0.0.0.0", token="sesame")
    assert access.entrance("main", "0.0.0.0").recognise(access.own).scopes == {Scope.INGEST}
    assert access.own_entrance.recognise(access.own).tenant == "default"
    for secret in ("sesame", "", None):
        with pytest.raises(Unauthenticated):
            access.own_entrance.recognise(secret)
