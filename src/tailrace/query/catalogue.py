"""Which raw resource attribute keys a tenant or a service of it has, remembered for ten seconds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tailrace.core.clock import Clock
from tailrace.query.bounds.question import asked

LIFETIME_S = 10.0
MAX_ENTRIES = 1_000
MAX_KEYS = 10_000
# Ranges are rounded outwards to this, so that a page that refreshes finds its entry again.
ROUND_NS = 3_600_000_000_000

Load = Callable[[str, int, int, str], Awaitable[tuple[str, ...]]]


class Catalogue:
    """`keys` asks `load` at most once in ten seconds for the same tenant, hours and service, and
    for what the question is to be answered from."""

    def __init__(self, load: Load, clock: Clock) -> None:
        self._load = load
        self._clock = clock
        self._known: dict[tuple[str, str, int, int, str], tuple[float, tuple[str, ...]]] = {}

    async def keys(
        self, tenant: str, start_ns: int, end_ns: int, service: str = ""
    ) -> tuple[str, ...]:
        """Sorted raw keys of the rows in the range (rounded outwards to hours); of all of them, and
        perhaps no others, that are of `service` where it is not ""."""
        hours = (start_ns // ROUND_NS * ROUND_NS, -(-end_ns // ROUND_NS) * ROUND_NS)
        entry = (asked().exact, tenant, *hours, service)
        now = self._clock.monotonic_s()
        for known in ((*entry[:-1], ""), entry):
            if known in self._known and now - self._known[known][0] < LIFETIME_S:
                return self._known[known][1]
        keys = tuple(sorted(await self._load(tenant, *hours, service)))
        if len(self._known) >= MAX_ENTRIES:
            self._known.clear()
        self._known[entry] = (now, keys)
        return keys
