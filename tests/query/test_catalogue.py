"""Resource attribute keys are asked for once in a while, and only of the service that is read."""

from __future__ import annotations

import asyncio

from tailrace.core.clock import ManualClock
from tailrace.query.catalogue import Catalogue
from tailrace.query.lately import LIFETIME_S
from tailrace.query.times import HOUR_NS

KEYS = {"": ("zone", "host.name"), "web": ("zone",), "api": ()}


class Store:
    def __init__(self) -> None:
        self.asked: list[tuple[str, int, int, str]] = []

    async def load(self, tenant: str, start_ns: int, end_ns: int, service: str) -> tuple[str, ...]:
        self.asked.append((tenant, start_ns, end_ns, service))
        return KEYS[service]


def catalogue() -> tuple[Catalogue, Store, ManualClock]:
    store, clock = Store(), ManualClock()
    return Catalogue(store.load, clock), store, clock


def test_the_keys_of_a_service_are_asked_apart_and_remembered() -> None:
    known, store, clock = catalogue()
    for _ in range(2):
        assert asyncio.run(known.keys("t", 5, HOUR_NS - 1, "web")) == ("zone",)
        assert asyncio.run(known.keys("t", 5, HOUR_NS - 1, "api")) == ()
    hours = (0, HOUR_NS)
    assert store.asked == [("t", *hours, "web"), ("t", *hours, "api")]
    clock.advance(LIFETIME_S)
    asyncio.run(known.keys("t", 5, HOUR_NS - 1, "web"))
    assert len(store.asked) == 3


def test_what_is_known_of_all_rows_serves_for_a_service() -> None:
    known, store, _ = catalogue()
    everything = asyncio.run(known.keys("t", 0, HOUR_NS))
    assert everything == ("host.name", "zone")
    assert asyncio.run(known.keys("t", 0, HOUR_NS, "web")) == everything
    assert asyncio.run(known.keys("u", 0, HOUR_NS, "web")) == ("zone",)
    assert len(store.asked) == 2
