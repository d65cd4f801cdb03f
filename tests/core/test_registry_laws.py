"""The laws of a Registry. Every implementation is held to them, and the one that the gateway is
tested with; add one to `REGISTRIES`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from tailrace.core.clock import ManualClock, SystemClock
from tailrace.core.contracts import Registry
from tailrace.core.errors import StoreError
from tailrace.core.fleet import Announcement, Loss
from tailrace.core.metrics import Metrics
from tailrace.governance.control import Control
from tailrace.governance.fleet import Fleet
from tailrace.governance.ledger.ledger import Ledger
from tailrace.governance.schema import AGENTS
from tailrace.guard.announcements import GuardedRegistry
from tailrace.ship.credentials import Tls, Token
from tailrace.ship.gateways import Gateways, targets
from tailrace.ship.sender import Sender
from tailrace.ship.upstream import Upstream

from ..agent.fakes import FakeGateway
from ..gateway.neighbours import MemoryRegistry
from .laws import over

Fail = Callable[[], Awaitable[None]]
Place = AbstractAsyncContextManager[tuple[Registry, Fail]]
Use = Callable[[Registry, Fail], Awaitable[None]]


def said(losses: int = 0) -> Announcement:
    lost = [Loss("a", 1, n, n, 1, 10, "spool_full", 5) for n in range(losses)]
    return Announcement(
        source="a", version="1", host="h", pid=1, started_ns=1, interval_s=15.0, losses=lost
    )


@asynccontextmanager
async def fleet(path: Path) -> AsyncIterator[tuple[Registry, Fail]]:
    control = Control(path)
    await control.open()
    found = Fleet(control, ManualClock(), Metrics())
    await found.open()
    try:
        yield found, lambda: control.run(AGENTS.drop)
    finally:
        await control.close()


@asynccontextmanager
async def ledger(path: Path) -> AsyncIterator[tuple[Registry, Fail]]:
    async def passed() -> bool:
        return True

    control = Control(path)
    await control.open()
    fleet = Fleet(control, ManualClock(), Metrics())
    found = Ledger(fleet, control, [], passed, ManualClock(), Metrics())
    await found.open()
    try:
        yield found, lambda: control.run(AGENTS.drop)
    finally:
        await control.close()


@asynccontextmanager
async def guarded(path: Path) -> AsyncIterator[tuple[Registry, Fail]]:
    async with fleet(path) as (behind, fail):
        yield GuardedRegistry(behind, str.upper), fail


@asynccontextmanager
async def upstream(_: Path) -> AsyncIterator[tuple[Registry, Fail]]:
    gateway, clock = FakeGateway(), SystemClock()
    senders = [
        Sender(Gateways(targets([gateway.url]), clock, name), Token("secret"), Tls())
        for name in ("a", "b")
    ]
    found = Upstream(senders[1:], senders[0], clock, 5.0)

    async def fail() -> None:
        gateway.hears = False

    try:
        yield found, fail
    finally:
        await found.close(5.0)
        gateway.close()


@asynccontextmanager
async def fake(_: Path) -> AsyncIterator[tuple[Registry, Fail]]:
    found = MemoryRegistry()

    async def fail() -> None:
        found.failure = StoreError("not just now")

    yield found, fail


REGISTRIES: dict[str, Callable[[Path], Place]] = {
    "fleet": fleet,
    "ledger": ledger,
    "guard": guarded,
    "upstream": upstream,
    "the gateway's fake": fake,
}


run = over(REGISTRIES)


def test_all_losses_that_were_kept_are_counted(run: Callable[[Use], None]) -> None:
    async def work(registry: Registry, _: Fail) -> None:
        assert await registry.announce("shop", said()) == 0
        assert await registry.announce("shop", said(losses=3)) == 3

    run(work)


def test_losses_that_are_said_again_are_counted_again(run: Callable[[Use], None]) -> None:
    async def work(registry: Registry, _: Fail) -> None:
        assert await registry.announce("shop", said(losses=2)) == 2
        assert await registry.announce("shop", said(losses=3)) == 3

    run(work)


def test_what_could_not_be_kept_is_a_store_error(run: Callable[[Use], None]) -> None:
    async def work(registry: Registry, fail: Fail) -> None:
        await registry.announce("shop", said())
        await fail()
        with pytest.raises(StoreError):
            await registry.announce("shop", said(losses=1))

    run(work)
