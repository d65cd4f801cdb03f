"""Lists that are remembered for ten seconds: pages ask for names whenever they are opened."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar

from tailrace.core import limits
from tailrace.core.clock import Clock
from tailrace.query.times import HOUR_NS

LIFETIME_S = 10.0
_T = TypeVar("_T")


class Lately(Generic[_T]):
    """What was found within the last LIFETIME_S, in at most QUERY_LISTS_HELD lists of
    QUERY_NAMES_HELD names together; beyond that all is forgotten."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[Hashable, tuple[float, Sequence[_T]]] = {}

    def get(self, key: Hashable) -> Sequence[_T] | None:
        """The list of a key, None where it is not known any more."""
        then_s, found = self._known.get(key, (float("-inf"), ()))
        return found if self._clock.monotonic_s() - then_s < LIFETIME_S else None

    def keep(self, key: Hashable, found: Sequence[_T]) -> Sequence[_T]:
        """Remember a list, and give it."""
        held = sum(len(names) for _, names in self._known.values())
        beyond = held + len(found) > limits.QUERY_NAMES_HELD
        if beyond or len(self._known) >= limits.QUERY_LISTS_HELD:
            self._known.clear()
        self._known[key] = (self._clock.monotonic_s(), found)
        return found


def hours(start_ns: int, end_ns: int) -> tuple[int, int]:
    """A range, rounded outwards to hours, so that a page that refreshes finds its entry again."""
    return start_ns // HOUR_NS * HOUR_NS, -(-end_ns // HOUR_NS) * HOUR_NS
