"""How much is decoded in a second, in equal shares for the tenants that are followed."""

from __future__ import annotations

# A flood is to cost no more in its first second than in the next ones.
BURST_S = 0.25


class Allowance:
    """`per_s` bytes for all tenants together; of a share that was not used, BURST_S are kept.

    A frame is taken whole where anything is left of the share, so that a large one is not refused
    for ever; what it took too much is owed.
    """

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._left: dict[str, tuple[float, float]] = {}

    def keep(self, tenants: set[str]) -> None:
        """Only these share from now on."""
        self._left = {name: left for name, left in self._left.items() if name in tenants}

    def take(self, tenant: str, size: int, tenants: int, now_s: float) -> bool:
        """Whether `size` bytes of `tenant` may be decoded, where so many `tenants` share."""
        share = self._per_s / max(tenants, 1)
        burst = share * BURST_S
        left, then_s = self._left.get(tenant, (burst, now_s))
        left = min(burst, left + share * (now_s - then_s))
        taken = left > 0
        self._left[tenant] = (left - size if taken else left, now_s)
        return taken
