"""What is over for long is let go."""

from __future__ import annotations

import asyncio

from alerting import START_NS
from keeping import MemoryStore

from tailrace.alerts.delivery.sweeping import sweep
from tailrace.core import limits
from tailrace.core.alerting import Silence, Told
from tailrace.core.clock import ManualClock
from tailrace.core.errors import StoreError

KEPT_NS = int(limits.ALERTS_KEPT_S * 1e9)


def store() -> MemoryStore:
    """A silence and two groups, all at the start; of one of them an alert fires."""
    found = MemoryStore()
    silence = Silence("s", "shop", (), START_NS - 1, START_NS, "", "", START_NS)
    groups = [Told("shop", "r", "over", START_NS), Told("shop", "r", "fires", START_NS, ("a",))]
    asyncio.run(found.silence(silence))
    asyncio.run(found.tell(groups, [], []))
    return found


def test_what_is_over_is_kept_for_days_and_an_end_that_is_to_be_told_for_ever() -> None:
    found = store()
    asyncio.run(sweep(found, ManualClock(START_NS + KEPT_NS)))
    assert (len(found.kept.silences), len(found.kept.told)) == (1, 2)
    asyncio.run(sweep(found, ManualClock(START_NS + KEPT_NS + 1)))
    assert not found.kept.silences
    assert [one.group for one in found.kept.told.values()] == ["fires"]


def test_a_store_that_is_away_ends_nothing() -> None:
    found = store()
    found.failure = StoreError("disk")
    asyncio.run(sweep(found, ManualClock(START_NS + KEPT_NS + 1)))
    assert found.kept.silences
