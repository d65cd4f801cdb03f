"""Which raw resource attribute keys a tenant has, remembered for ten seconds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tailrace.core.clock import Clock
from tailrace.query.bounds.question import asked

LIFETIME_S = 10.0
MAX_ENTRIES = 1_000
MAX_KEYS = 10_000
# Ranges are rounded outwards to this, so that a page that refreshes finds its entry again.
ROUND_NS = 3_600_000_000_000

Load = Callable[[str, int, int], Awaitable[tuple[str, ...]]]


class Catalogue:
    """`keys` asks `load` at most once in ten seconds for the same tenant and hours, and for
    what the question is to be answered from."""

    def __init__(self, load: Load, clock: Clock) -> None:
        self._load = load
        self._clock = clock
        self._known: dict[tuple[str, str, int, int], tuple[float, tuple[str, ...]]] = {}

    async def keys(self, tenant: str, start_ns: int, end_ns: int) -> tuple[str, ...]:
        """Sorted raw keys of the rows in the range (rounded outwards to hours)."""
        hours = (start_ns // ROUND_NS * ROUND_NS, -(-end_ns // ROUND_NS) * ROUND_NS)
        entry = (asked().exact, tenant, *hours)
        now = self._clock.monotonic_s()
        if entry in self._known and now - self._known[entry][0] < LIFETIME_S:
            return self._known[entry][1]
        keys = tuple(sorted(await self._load(tenant, *hours)))
        if len(self._known) >= MAX_ENTRIES:
            self._known.clear()
        self._known[entry] = (now, keys)
        return keys
