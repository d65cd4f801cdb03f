"""Which raw resource attribute keys a tenant or a service of it has, remembered for a while."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from tailrace.core.clock import Clock
from tailrace.query.bounds.question import asked
from tailrace.query.lately import Lately, hours

MAX_KEYS = 10_000

Load = Callable[[str, int, int, str], Awaitable[Sequence[str]]]


class Catalogue:
    """`keys` asks `load` once for the same tenant, hours and service, and for what the question is
    to be answered from, as long as lately.py remembers it."""

    def __init__(self, load: Load, clock: Clock) -> None:
        self._load = load
        self._known: Lately[str] = Lately(clock)

    async def keys(
        self, tenant: str, start_ns: int, end_ns: int, service: str = ""
    ) -> tuple[str, ...]:
        """Sorted raw keys of the rows in the range (rounded outwards to hours); of all of them, and
        perhaps no others, that are of `service` where it is not ""."""
        whole = (asked().exact, tenant, *hours(start_ns, end_ns))
        for one in ("", service):
            if (found := self._known.get((*whole, one))) is not None:
                return tuple(found)
        loaded = sorted(await self._load(tenant, *hours(start_ns, end_ns), service))
        return tuple(self._known.keep((*whole, service), loaded))
