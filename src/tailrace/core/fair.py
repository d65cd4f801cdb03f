"""What waits, in an order that is fair to tenants: one with much waiting delays only itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

_T = TypeVar("_T")


class FairQueue(Generic[_T]):
    """Turns go round the tenants that wait; of one tenant, first come first served.

    Memory is that of what waits: a tenant of whom nothing waits is forgotten.
    """

    def __init__(self) -> None:
        # In the order of their turns.
        self._waiting: dict[str, deque[_T]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def __iter__(self) -> Iterator[_T]:
        return (item for waiting in self._waiting.values() for item in waiting)

    def tenants(self) -> list[str]:
        """Of whom something waits, the next turn first."""
        return list(self._waiting)

    def count(self, tenant: str) -> int:
        """How many of this tenant wait."""
        return len(self._waiting.get(tenant, ()))

    def add(self, tenant: str, item: _T) -> None:
        """Put `item` behind what waits of its tenant."""
        self._waiting.setdefault(tenant, deque()).append(item)

    def first(self, tenant: str) -> _T:
        """What `take` would give. Raises KeyError when nothing waits of this tenant."""
        return self._waiting[tenant][0]

    def take(self, tenant: str) -> _T:
        """The first of this tenant, who goes behind all others. Raises KeyError."""
        waiting = self._waiting.pop(tenant)
        item = waiting.popleft()
        if waiting:
            self._waiting[tenant] = waiting
        return item

    def remove(self, tenant: str, item: _T) -> bool:
        """Take out `item`, wherever it is. False when it does not wait."""
        waiting = self._waiting.get(tenant)
        if waiting is None or item not in waiting:
            return False
        waiting.remove(item)
        if not waiting:
            del self._waiting[tenant]
        return True
