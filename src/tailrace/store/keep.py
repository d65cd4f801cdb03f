"""How long rows stay hot, and how many of them: what is said of everybody, of a signal, a tenant, a
service, and a service of one tenant.

Ages: the one that says most of a row counts, a service's before its tenant's. Bytes: each bound
holds for all rows that it names together, whatever else is said of them. A row goes when either is
over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import NamedTuple

from tailrace.core.frame import Signal

DAY_NS = 86_400_000_000_000
# No younger rows go: partitions are days, and what the bulk lane has not sent yet is not archived.
YOUNGEST_NS = DAY_NS


class Group(NamedTuple):
    """Rows that are kept alike. None: of every tenant, or service, that has no name here."""

    tenant: str | None = None
    service: str | None = None


REST = Group()


@dataclass(frozen=True)
class Groups:
    """Tenants and services that something is said of: each pair of them is a group, and so are the
    rest of each. Samples have no service."""

    tenants: tuple[str, ...] = ()
    services: tuple[str, ...] = ()

    def all(self, signal: Signal) -> Iterator[Group]:
        """All that rows of a signal may be of; REST is the first."""
        services = () if signal is Signal.METRICS else self.services
        for tenant, service in product((None, *self.tenants), (None, *services)):
            yield Group(tenant, service)

    def joined(self, other: Groups) -> Groups:
        """What either names."""
        return Groups(
            tuple(dict.fromkeys((*self.tenants, *other.tenants))),
            tuple(dict.fromkeys((*self.services, *other.services))),
        )


class Which(NamedTuple):
    """Rows that something is said of; None is any."""

    tenant: str | None = None
    service: str | None = None
    signal: Signal | None = None

    def covers(self, signal: Signal, group: Group) -> bool:
        """Whether the rows of a group are among them."""
        own = (self.tenant, self.service, self.signal)
        theirs = (group.tenant, group.service, signal)
        return all(one in (None, other) for one, other in zip(own, theirs, strict=True))


class Kept(NamedTuple):
    """What is said: how long, in seconds, and how many bytes; 0 is no bound, None is not said."""

    age_s: float | None = None
    bytes: int | None = None


class Held(NamedTuple):
    """Bytes on disk of a group in a day, which begins at `day_ns`."""

    signal: Signal
    group: Group
    day_ns: int
    bytes: int


Targets = Mapping[tuple[Signal, Group], int]


@dataclass(frozen=True)
class Keep:
    """All that is said."""

    said: Mapping[Which, Kept] = field(default_factory=dict)

    @property
    def groups(self) -> Groups:
        """The names in it."""
        tenants = (which.tenant for which in self.said)
        services = (which.service for which in self.said)
        return Groups(
            tuple(dict.fromkeys(name for name in tenants if name is not None)),
            tuple(dict.fromkeys(name for name in services if name is not None)),
        )

    @property
    def bounded(self) -> bool:
        """Whether anything ever goes."""
        return any(kept.age_s or kept.bytes for kept in self.said.values())

    @property
    def sized(self) -> list[tuple[Which, int]]:
        """Bounds of bytes, those of the fewest rows first."""
        found = [(which, kept.bytes) for which, kept in self.said.items() if kept.bytes]
        return sorted(found, key=lambda one: one[0].count(None))

    def age_s(self, signal: Signal, group: Group) -> float:
        """How long rows of a group stay, 0 for ever."""
        ways = [Which(signal=signal), Which()]
        if group.tenant is not None:
            ways.insert(0, Which(group.tenant))
        if group.service is not None:
            ways.insert(0, Which(service=group.service))
            ways.insert(0, Which(*group))
        ages = (self.said[which].age_s for which in ways if which in self.said)
        return next((age for age in ages if age is not None), 0.0)

    def targets(self, horizons: Targets, held: Sequence[Held], now_ns: int) -> Targets:
        """From which event time on rows of each group of `horizons` are to stay, UTC nanoseconds:
        midnights, never before what `horizons` says already."""
        newest_ns = _midnight(now_ns - YOUNGEST_NS)
        found = {
            key: max(horizon_ns, self._oldest_ns(*key, now_ns))
            for key, horizon_ns in horizons.items()
        }
        for which, most in self.sized:
            mine = [key for key in found if which.covers(*key)]
            days: dict[int, int] = {}
            for one in held:
                if which.covers(one.signal, one.group) and one.day_ns >= found.get(one[:2], 0):
                    days[one.day_ns] = days.get(one.day_ns, 0) + one.bytes
            bound_ns = _fitting(days, most, newest_ns)
            for key in mine:
                found[key] = max(found[key], bound_ns)
        return found

    def _oldest_ns(self, signal: Signal, group: Group, now_ns: int) -> int:
        age_s = self.age_s(signal, group)
        return _midnight(now_ns - int(age_s * 1e9)) if age_s else 0


def _fitting(days: Mapping[int, int], most: int, newest_ns: int) -> int:
    """The midnight from which on the days fit; not after `newest_ns`, 0 where all of them do."""
    size, bound_ns = sum(days.values()), 0
    for day_ns in sorted(days):
        if size <= most or day_ns + DAY_NS > newest_ns:
            break
        size -= days[day_ns]
        bound_ns = day_ns + DAY_NS
    return bound_ns


def _midnight(time_ns: int) -> int:
    return max(time_ns, 0) // DAY_NS * DAY_NS
