"""Master keys for tests, and processes that keep keys in one store, driven by one clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from places import Place

from tailrace.core.clock import ManualClock
from tailrace.core.errors import TailraceError
from tailrace.core.metrics import Metrics
from tailrace.governance import keytable
from tailrace.governance.control import Control
from tailrace.governance.keys import Keys
from tailrace.governance.keyschedule import Schedule
from tailrace.governance.keytable import Key
from tailrace.governance.masterkey import MasterKey, MasterSource

KINDS = ("pan", "email")
DAY_S = 86_400.0
SCHEDULE = Schedule(90 * DAY_S, 365 * DAY_S)


def master_key(number: int = 1) -> MasterKey:
    return MasterKey(bytes([number]) * 32, "guard.master_key_file")


class Source(MasterSource):
    """Gives `key`, or raises it; counts how often it was asked."""

    setting = "guard.master_key_file"

    def __init__(self, key: MasterKey | TailraceError | None = None) -> None:
        self.key = key or master_key()
        self.asked = 0

    def load(self) -> MasterKey:
        self.asked += 1
        if isinstance(self.key, TailraceError):
            raise self.key
        return self.key


class Keeper:
    """One process: its keys, its store, its metrics."""

    def __init__(
        self,
        control: Control,
        clock: ManualClock,
        source: Source | None = None,
        kinds: tuple[str, ...] = KINDS,
    ) -> None:
        self.control = control
        self.clock = clock
        self.source = source or Source()
        self.metrics = Metrics()
        self.keys = Keys(control, clock, self.metrics, self.source, kinds, SCHEDULE)

    async def listed(self) -> list[Key]:
        return await self.control.read(keytable.listed)

    async def states(self) -> dict[tuple[str, int], str]:
        """By kind and epoch."""
        return {(key.kind, key.epoch): key.state for key in await self.listed()}

    def counted(self, how: str) -> float:
        return self.metrics.get("tailrace_keys_total", how)


def run(place: Place, use: Callable[..., Awaitable[None]], keepers: int = 1, **how: Any) -> None:
    """`use` with so many of them, open, on one clock."""

    async def main() -> None:
        clock = ManualClock()
        found = [Keeper(place.control(), clock, **how) for _ in range(keepers)]
        for keeper in found:
            await keeper.control.open()
            await keeper.keys.open()
        try:
            await use(*found)
        finally:
            for keeper in found:
                await keeper.control.close()

    asyncio.run(main())
