"""How long rows stay in the archive: what is said of everybody, of a service, of a tenant, and of a
service of one tenant. What says most of a row counts, and a service's goes before its tenant's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tailrace.core.frame import Signal
from tailrace.store.entries import DAY_NS

# A tenant and a service; None is any.
Which = tuple[str | None, str | None]


@dataclass(frozen=True)
class Retention:
    """Seconds by whom they are said of; 0 is for ever, and so is what nothing is said of."""

    said: Mapping[Which, float] = field(default_factory=dict)

    def age_s(self, tenant: str, service: str | None = None) -> float:
        """Of rows of a service, or of all that have no name here; 0 for ever."""
        ways: tuple[Which, ...] = ((tenant, None), (None, None))
        if service is not None:
            ways = ((tenant, service), (None, service), *ways)
        return next((self.said[which] for which in ways if which in self.said), 0.0)

    def named(self, tenant: str, signal: Signal) -> list[str]:
        """Services of a tenant that something is said of by name. Samples have no service."""
        if signal is Signal.METRICS:
            return []
        found = {of: None for whose, of in self.said if of is not None and whose in (None, tenant)}
        return sorted(found)

    def over(self, tenant: str, service: str | None, day: int, now_ns: int) -> bool:
        """Whether the time of such rows of a whole day is over."""
        age_s = self.age_s(tenant, service)
        return bool(age_s) and (day + 1) * DAY_NS + int(age_s * 1e9) <= now_ns
