"""Every AlertStore there is, and alerts, notices, silences and rules to give it.

The one of the control store, over both of its databases, and the one in memory that other rooms are
tested with; add one to `place`.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import psycopg
import pytest

from tailrace.core.alerting import (
    Alert,
    AlertStore,
    Matcher,
    Notice,
    Phase,
    RuleText,
    Silence,
)
from tailrace.governance.alerts.store import ControlAlerts
from tailrace.governance.control import Control
from tailrace.governance.postgresql import Postgresql

from ..alerts.store import Kept, MemoryAlerts
from ..wire.servers import Postgresql as Server
from ..wire.servers import postgresql_server

# Opens a store; those of one test share what is kept, as processes do.
Open = Callable[[], Awaitable[AlertStore]]
Run = Callable[[Callable[[Open], Awaitable[None]]], None]
S = 1_000_000_000
# What a database may not take: no character, half of one, and one that is written like another.
ODD = "nul \0, half \ud800, é and é"
_numbers = itertools.count()


@asynccontextmanager
async def memory() -> AsyncIterator[Open]:
    kept = Kept()

    async def one() -> AlertStore:
        return MemoryAlerts(kept)

    yield one


@asynccontextmanager
async def control(at: Path | str) -> AsyncIterator[Open]:
    opened: list[Control] = []

    async def one() -> AlertStore:
        opened.append(Control(at if isinstance(at, Path) else Postgresql(at)))
        await opened[-1].open()
        return ControlAlerts(opened[-1])

    try:
        yield one
    finally:
        for control in opened:
            await control.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgresql_server() as found:
        yield found


def schema(server: Server) -> str:
    name = f"alerts{next(_numbers)}"
    with psycopg.connect(server.uri("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
    return f"{server.uri('postgres')}&options=-csearch_path%3D{name}"


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> AbstractAsyncContextManager[Open]:
    if request.param == "memory":
        return memory()
    if request.param == "sqlite":
        return control(tmp_path)
    return control(schema(request.getfixturevalue("server")))


@pytest.fixture
def run(place: AbstractAsyncContextManager[Open]) -> Run:
    def use(work: Callable[[Open], Awaitable[None]]) -> None:
        async def main() -> None:
            async with place as opened:
                await work(opened)

        asyncio.run(main())

    return use


def alert(n: int = 1, phase: Phase = Phase.FIRING, tenant: str = "shop", rule: str = "r") -> Alert:
    labels = (("alertname", "Slow"), ("host", f"h{n}"))
    return Alert(tenant, rule, labels, (("summary", "slow"),), phase, 1.5, n, 2, 3, 4)


def notice(
    body: str, group: str = "g", receiver: str = "mail", tenant: str = "shop", news: bool = True
) -> Notice:
    """One that says news; else it is replaceable."""
    return Notice(0, tenant, receiver, group, body.encode(), 1, 2, replaceable=not news)


def silence(name: str = "a", tenant: str = "shop", ends_ns: int = 9) -> Silence:
    matchers = (Matcher("host", "=~", "h.*"), Matcher("é", "!=", ODD))
    return Silence(name, tenant, matchers, 1, ends_ns, "me", ODD, 2)


def text(group: str = "g", folder: str = "f", tenant: str = "shop") -> RuleText:
    return RuleText(tenant, folder, group, f"name: {ODD}", 3)


async def bodies(
    store: AlertStore, most: int = 100, apart_from: tuple[tuple[str, str], ...] = ()
) -> list[str]:
    return [one.body.decode() for one in await store.waiting(most, apart_from)]


async def names(store: AlertStore) -> list[str]:
    return sorted(one.labels[1][1] for one in await store.alerts())
