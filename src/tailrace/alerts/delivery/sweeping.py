"""Lets go of what is over for long: silences, and what groups of alerts were told."""

from __future__ import annotations

import asyncio

from tailrace.core import limits
from tailrace.core.alerting import AlertStore
from tailrace.core.clock import Clock
from tailrace.core.errors import StoreError
from tailrace.core.log import get

_log = get("alerts")
SWEEP_S = 3_600.0


async def run(store: AlertStore, clock: Clock) -> None:
    """Sweep again and again, until it is cancelled."""
    while True:
        await sweep(store, clock)
        await asyncio.sleep(SWEEP_S)


async def sweep(store: AlertStore, clock: Clock) -> None:
    """Once. What the store refuses has time."""
    try:
        await store.sweep(clock.wall_ns() - int(limits.ALERTS_KEPT_S * 1e9))
    except StoreError as error:
        _log.warning("what is over for long is not let go: %s", error)
