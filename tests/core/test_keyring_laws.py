"""The laws of a Keyring. The keys of governance are held to them, and the fake that the guard is
tested with; add one to `KEYRINGS`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from tailrace.core.clock import ManualClock
from tailrace.core.errors import StoreError
from tailrace.core.keys import SECRET_BYTES, Keyring
from tailrace.core.metrics import Metrics
from tailrace.governance.control import Control
from tailrace.governance.keys import Keys
from tailrace.governance.keyschedule import Schedule
from tailrace.governance.masterkey import MasterKey, MasterSource
from tailrace.governance.schema import KEYS
from tailrace.guard.kinds import KINDS

from ..guard.fakes import FakeKeyring
from .laws import over

Fail = Callable[[], Awaitable[None]]
Place = AbstractAsyncContextManager[tuple[Keyring, Fail]]
Use = Callable[[Keyring, Fail], Awaitable[None]]


class Source(MasterSource):
    setting = "guard.master_key_file"

    def load(self) -> MasterKey:
        return MasterKey(bytes(32), self.setting)


@asynccontextmanager
async def governance(path: Path) -> AsyncIterator[tuple[Keyring, Fail]]:
    control = Control(path)
    await control.open()
    schedule = Schedule(90 * 86_400.0, 365 * 86_400.0)
    keys = Keys(control, ManualClock(), Metrics(), Source(), tuple(KINDS), schedule)
    await keys.open()
    try:
        yield keys, lambda: control.run(KEYS.drop)
    finally:
        await control.close()


@asynccontextmanager
async def fake(_: Path) -> AsyncIterator[tuple[Keyring, Fail]]:
    keyring = FakeKeyring()

    async def fail() -> None:
        keyring.failure = StoreError("not just now")

    yield keyring, fail


KEYRINGS: dict[str, Callable[[Path], Place]] = {"governance": governance, "the guard's fake": fake}


run = over(KEYRINGS)


def test_every_kind_of_the_guard_has_a_secret_of_its_own(run: Callable[[Use], None]) -> None:
    async def work(keyring: Keyring, _: Fail) -> None:
        found = await keyring.secrets("shop")
        assert found.keys() >= set(KINDS)
        assert {len(secret) for secret in found.values()} == {SECRET_BYTES}
        assert len(set(found.values())) == len(found)

    run(work)


def test_a_tenant_keeps_its_secrets(run: Callable[[Use], None]) -> None:
    async def work(keyring: Keyring, _: Fail) -> None:
        first = dict(await keyring.secrets("shop"))
        await keyring.secrets("other")
        assert await keyring.secrets("shop") == first

    run(work)


def test_the_last_of_the_history_is_the_secret_in_use(run: Callable[[Use], None]) -> None:
    async def work(keyring: Keyring, _: Fail) -> None:
        found = await keyring.secrets("shop")
        for kind in KINDS:
            history = await keyring.history("shop", kind)
            assert (history[-1].secret, history[-1].retired_ns) == (found[kind], 0)
            assert [key.epoch for key in history] == [1]

    run(work)


def test_a_kind_that_nobody_knows_has_no_history(run: Callable[[Use], None]) -> None:
    async def work(keyring: Keyring, _: Fail) -> None:
        await keyring.secrets("shop")
        assert await keyring.history("shop", "nobodys") == []

    run(work)


def test_what_cannot_be_had_just_now_is_a_store_error(run: Callable[[Use], None]) -> None:
    async def work(keyring: Keyring, fail: Fail) -> None:
        await fail()
        with pytest.raises(StoreError):
            await keyring.secrets("new")
        with pytest.raises(StoreError):
            await keyring.history("new", next(iter(KINDS)))

    run(work)
