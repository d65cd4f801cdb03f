"""Hears of rows as they are stored, and remembers where some came long after their time."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from tailrace.core import limits
from tailrace.core.clock import Clock
from tailrace.core.frame import Signal

Place: TypeAlias = tuple[str, Signal]
# What is asked for is durable by then.
_DURABLE_NS = 1_000_000_000


class Taken(NamedTuple):
    """Late rows were taken in from one time until just before another one; none of them is of
    before `first_ns`."""

    tenant: str
    signal: Signal
    from_ns: int
    until_ns: int
    first_ns: int


class _Since(NamedTuple):
    """When the first of some late rows was stored, and the earliest time of any."""

    stored_ns: int
    first_ns: int


class Arrivals:
    """A Changes. Of at most limits.TENANTS_COUNTED tenants and signals at a time; others come later
    or, where the rows stop coming, not at all."""

    def __init__(self, clock: Clock, after_s: float = limits.RULE_LATE_S) -> None:
        self._clock = clock
        self._after_ns = int(after_s * 1e9)
        self._late: dict[Place, _Since] = {}
        self._asked: dict[Place, int] = {}

    def changed(self, tenant: str, signal: Signal, first_ns: int) -> None:
        """See Changes."""
        now_ns, place = self._clock.wall_ns(), (tenant, signal)
        if first_ns > now_ns - self._after_ns:
            return
        known = self._late.get(place)
        if known is None and len(self._late) >= limits.TENANTS_COUNTED:
            return
        since = known or _Since(now_ns, first_ns)
        self._late[place] = since._replace(first_ns=min(first_ns, since.first_ns))

    def archived(self, tenant: str, signal: Signal, first_ns: int) -> None:
        """Nothing is late by that."""

    def take(self) -> list[Taken]:
        """What is to be asked for now: where rows came some while ago, so that rows of many
        requests are one question."""
        now_ns = self._clock.wall_ns()
        ripe_ns = now_ns - int(limits.RULE_LATE_LOOK_S * 1e9)
        ripe = {place: one for place, one in self._late.items() if one.stored_ns <= ripe_ns}
        for place in ripe:
            del self._late[place]
        return [self._taken(place, one, now_ns - _DURABLE_NS) for place, one in ripe.items()]

    def _taken(self, place: Place, since: _Since, until_ns: int) -> Taken:
        from_ns = since.stored_ns - int(limits.RULE_BACKLOG_S * 1e9)
        oldest_ns = until_ns - int(limits.RULE_SAID_S * 1e9)
        return Taken(
            *place,
            max(from_ns, self._asked.get(place, 0)),
            until_ns,
            max(since.first_ns, oldest_ns),
        )

    def asked(self, taken: Taken) -> None:
        """They were asked for, and are not again."""
        if len(self._asked) >= limits.TENANTS_COUNTED:
            self._asked.clear()
        self._asked[taken.tenant, taken.signal] = taken.until_ns

    def again(self, taken: Taken) -> None:
        """They could not be asked for: another time."""
        place = (taken.tenant, taken.signal)
        stored_ns = taken.from_ns + int(limits.RULE_BACKLOG_S * 1e9)
        known = self._late.get(place, _Since(stored_ns, taken.first_ns))
        self._late[place] = _Since(
            min(stored_ns, known.stored_ns), min(taken.first_ns, known.first_ns)
        )

    def clear(self) -> None:
        """Forget all: the clock was set."""
        self._late.clear()
        self._asked.clear()
